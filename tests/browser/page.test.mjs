// The demo's page, used as its visitors do: by what it says, with mouse and keyboard.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { button, click, link, newContext, newest, open, signIn, signOut, startBrowser, startDemo } from "./support.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

let browser, demo, context;

before(async () => {
  [browser, demo] = await Promise.all([startBrowser(), startDemo()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});
beforeEach(async () => {
  context = await newContext(browser);
});
afterEach(() => context.close());

const rows = (page) => page.locator("tbody tr");

// The browser itself tells of every 401; those that a test asks for are no fault.
const faults = (errors) => errors.filter((text) => !/status of 401/.test(text));

test("the whole flow, with a quiet console", async () => {
  const { page, errors } = await open(context, demo.url);
  const status = page.getByRole("status");
  assert.equal(await status.innerText(), "You are not signed in.");
  assert.deepEqual(errors, []);

  await signIn(page);
  await status.filter({ hasText: "You are signed in." }).waitFor();
  assert.match(await page.locator("#issuer").innerText(), /^did:ethr:0x/);
  assert.equal(await rows(page).count(), 1);
  assert.match(await rows(page).first().innerText(), /this browser/);
  assert.match(await click(page, "Call the guarded API", "knows you"), /GET \/me → 200/);

  await click(page, "Sign in on another device", "Another device is signed in");
  await rows(page).nth(1).waitFor();
  await rows(page).filter({ hasNotText: "this browser" }).getByRole("button", { name: /^Sign out session/ }).click();
  await newest(page).filter({ hasText: "That session has ended." }).waitFor();
  await rows(page).nth(1).waitFor({ state: "detached" });
  assert.deepEqual(errors, []);

  assert.match(await click(page, "Replay the token", "Refused"), /POST \/sign-in → 401 .*challenge/s, "and why");
  await signOut(page);
  await page.getByText("You are not signed in.").waitFor();
  assert.match(await click(page, "Call the guarded API", "sign in first"), /GET \/me → 401/);
  assert.deepEqual(faults(errors), []);
  assert.equal(errors.length, 2, "both of them asked for");
});

test("signing out everywhere ends the sessions of all devices", async () => {
  const { page, errors } = await open(context, demo.url);
  await signIn(page);
  await click(page, "Sign in on another device", "Another device is signed in");
  await click(page, "Sign out everywhere", "Signed out on all devices.");
  // Magic's own session lives on, so that nobody has to type.
  await link(page, "Sign in").click();
  await page.getByText("You are signed in.").waitFor();
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  // A token of the second in which all were ended is refused, and made again.
  assert.deepEqual(faults(errors), []);
});

test("the row of this browser signs this browser out", async () => {
  const { page, errors } = await open(context, demo.url);
  await signIn(page);
  await rows(page).filter({ hasText: "this browser" }).getByRole("button", { name: /^Sign out session .*this browser$/ }).click();
  await page.getByRole("status").filter({ hasText: "You are not signed in." }).waitFor();
  assert.deepEqual((await context.cookies()).map(({ name }) => name), []);
  assert.ok(await page.getByRole("table").isHidden());
  assert.deepEqual(errors, []);
});

test("a page that was reloaded is still signed in, and another tab has no token to replay", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  await page.reload();
  await page.getByRole("status").filter({ hasText: "You are signed in." }).waitFor();
  const { page: tab } = await open(context, demo.url);
  assert.ok(await button(tab, "Replay the token").isDisabled());
  assert.ok(await tab.getByText("Sign in first, in this tab.").isVisible());
});

test("another address is somebody else", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  const before = await page.locator("#issuer").innerText();
  await signOut(page);
  await signIn(page, "bob@example.com");
  await page.waitForFunction((before) => !["", before].includes(document.querySelector("#issuer").innerText), before);
  assert.equal(await rows(page).count(), 1);
});

test("all of it works with the keyboard alone, and the focus does not get lost", async () => {
  const { page } = await open(context, demo.url);
  const focused = () => page.evaluate(() => document.activeElement.innerText);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Sign in");
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#page[data-ready]");
  await page.getByLabel("E-mail address").focus();
  await page.keyboard.type("ada@example.com");
  await page.keyboard.press("Enter");
  await page.getByLabel("Code").waitFor();
  await page.keyboard.type("123456");
  await page.keyboard.press("Enter");
  // Until the session is shown the button cannot be used.
  await page.waitForSelector("#sign-out-everywhere:enabled");
  await button(page, "Sign out everywhere").focus();
  await page.keyboard.press("Space");
  await newest(page).filter({ hasText: "Signed out on all devices." }).waitFor();
  await page.waitForFunction(() => document.querySelector("#sign-out-everywhere").disabled && document.activeElement.id === "sign-in");
});

// What is wider than the screen is cut off, or has people scroll sideways.
for (const width of [320, 360, 375, 414, 768]) {
  test(`nothing is wider than a screen of ${width} px`, async () => {
    const context = await newContext(browser, { viewport: { width, height: 740 } });
    const { page } = await open(context, demo.url);
    const wider = () =>
      page.evaluate(() => {
        const beyond = [...document.body.querySelectorAll("*")].filter((element) => element.scrollWidth > innerWidth);
        return [document.documentElement.scrollWidth - innerWidth, beyond.map((element) => element.outerHTML.slice(0, 80))];
      });
    assert.deepEqual(await wider(), [0, []], "signed out");
    await signIn(page);
    await click(page, "Call the guarded API", "knows you");
    await click(page, "Replay the token", "Refused");
    assert.deepEqual(await wider(), [0, []], "signed in");
    await context.close();
  });
}

const LOOKS = ["light", "dark"].flatMap((colorScheme) => [360, 1280].map((width) => [colorScheme, width]));

for (const [colorScheme, width] of LOOKS) {
  test(`nothing stands in the way of a screen reader, nor of weak eyes: ${colorScheme}, ${width} px wide`, async () => {
    const context = await newContext(browser, { colorScheme, viewport: { width, height: 740 } });
    const { page } = await open(context, demo.url);
    await signIn(page);
    await rows(page).first().waitFor();
    await click(page, "Replay the token", "Refused");
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
    await context.close();
  });
}

test("on a phone nothing is wider than the screen", async () => {
  const context = await newContext(browser, { viewport: { width: 360, height: 740 } });
  const { page } = await open(context, demo.url);
  await signIn(page);
  await rows(page).first().waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.getByRole("table", { name: "Your sessions on all devices" }).getByRole("row").last().waitFor();
  const { x, width } = await rows(page).getByRole("button").boundingBox();
  assert.ok(x >= 0 && x + width <= 360, "nobody has to scroll sideways to sign a device out");
  assert.equal(await rows(page).getByRole("cell").count(), 4, "and to a screen reader it is a table still");
  await context.close();
});

test("a script or style that gets into the page does not run", async () => {
  const { page } = await open(context, demo.url);
  const outcome = await page.evaluate(async () => {
    const stopped = [];
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => stopped.push(effectiveDirective));
    const holder = document.createElement("div");
    document.body.append(holder);
    try {
      holder.innerHTML = "<img src=x onerror='window.injected = true'>";
    } catch (error) {
      stopped.push(error.name);
    }
    holder.setAttribute("style", "color: red");
    await fetch("https://example.com/").catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { injected: window.injected ?? false, stopped: [...new Set(stopped)].sort() };
  });
  assert.equal(outcome.injected, false);
  assert.deepEqual(outcome.stopped, ["TypeError", "connect-src", "require-trusted-types-for", "style-src-attr"]);
});

test("every file says what it is, and nothing is loaded from elsewhere", async () => {
  const { page } = await open(context, demo.url);
  const policy = (await context.request.get(demo.url, { headers: { Accept: "text/html" } })).headers()["content-security-policy"];
  assert.doesNotMatch(policy, /https:|unsafe/);
  const files = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  const scripts = files.filter((name) => name.includes("/page/") && name.endsWith(".js"));
  assert.deepEqual(scripts.map((name) => name.split("/").pop()).sort(), ["api.js", "app.js"]);
  for (const script of scripts) {
    const headers = (await context.request.get(script)).headers();
    assert.equal(headers["content-type"], "text/javascript; charset=utf-8", script);
    assert.equal(headers["x-content-type-options"], "nosniff", script);
  }
  assert.deepEqual(files.filter((name) => !name.startsWith(demo.url)), []);
});
