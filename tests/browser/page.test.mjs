// The demo's page, used as its visitors do: by what it says, with mouse and keyboard.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { button, click, newContext, newest, open, showsWallet, signIn, startBrowser, startDemo } from "./support.mjs";

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
  await showsWallet(page);
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
  await click(page, "Sign out", "Signed out.");
  await page.getByText("You are not signed in.").waitFor();
  assert.match(await click(page, "Call the guarded API", "sign in first"), /GET \/me → 401/);
  assert.deepEqual(faults(errors), []);
  assert.equal(errors.length, 2, "both of them asked for");
});

test("a token bound to no browser is replayed without making a second session", async () => {
  const { page, errors } = await open(context, demo.url);
  await page.getByLabel("Make the token for this browser only").uncheck();
  await signIn(page);
  assert.match(await click(page, "Replay the token", "No second session."), /→ 200/);
  await page.reload();
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.deepEqual(errors, []);
});

test("signing out everywhere ends the sessions of all devices", async () => {
  const { page, errors } = await open(context, demo.url);
  await signIn(page);
  await click(page, "Sign in on another device", "Another device is signed in");
  await click(page, "Sign out everywhere", "Signed out on all devices.");
  await signIn(page);
  await rows(page).first().waitFor();
  assert.equal(await rows(page).count(), 1);
  assert.deepEqual(errors, []);
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

test("a page that was reloaded is still signed in, and says why it has no token to replay", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  await page.reload();
  await page.getByRole("status").filter({ hasText: "You are signed in." }).waitFor();
  assert.ok(await button(page, "Replay the token").isDisabled());
  assert.ok(await page.getByText("the page forgets the token when it is reloaded").isVisible());
});

test("a new wallet is somebody else and takes the session over", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  await showsWallet(page);
  const before = await page.locator("#issuer").innerText();
  await click(page, "New wallet", "somebody else");
  await signIn(page);
  await page.waitForFunction((before) => document.querySelector("#issuer").innerText !== before, before);
  assert.equal(await rows(page).count(), 1);
});

test("all of it works with the keyboard alone, and the focus does not get lost", async () => {
  const { page } = await open(context, demo.url);
  const focused = () => page.evaluate(() => document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText);
  await page.keyboard.press("Tab");
  assert.match(await focused(), /^Make the token/);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Sign in with the test wallet");
  assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
  await page.keyboard.press("Enter");
  await newest(page).filter({ hasText: "Signed in." }).waitFor();
  // A moment after "Signed in.": until then the button cannot be used.
  await page.waitForSelector("#sign-out:enabled");
  await button(page, "Sign out").focus();
  await page.keyboard.press("Space");
  await newest(page).filter({ hasText: "Signed out." }).waitFor();
  await page.waitForFunction(() => document.querySelector("#sign-out").disabled && document.activeElement.id === "sign-in");
});

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

test("every file says what it is, and only Magic's login opens the policy", async () => {
  const { page } = await open(context, demo.url);
  const policy = async (url) => (await context.request.get(url, { headers: { Accept: "text/html" } })).headers()["content-security-policy"];
  assert.doesNotMatch(await policy(demo.url), /https:|unsafe/);
  assert.equal(await page.locator("#magic").isVisible(), false);

  const files = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
  const scripts = files.filter((name) => name.includes("/page/") && name.endsWith(".js"));
  assert.ok(scripts.length >= 8, scripts.join());
  for (const script of scripts) {
    const headers = (await context.request.get(script)).headers();
    assert.equal(headers["content-type"], "text/javascript; charset=utf-8", script);
    assert.equal(headers["x-content-type-options"], "nosniff", script);
  }
  const strangers = files.filter((name) => !name.startsWith(demo.url));
  assert.deepEqual(strangers, [], "nothing is loaded from elsewhere");

  const withMagic = await startDemo({ MAGIC_PUBLISHABLE_KEY: "pk_live_test" });
  try {
    assert.match(await policy(withMagic.url), /script-src 'self' https:\/\/cdn\.jsdelivr\.net\/npm\/magic-sdk@[0-9.]+\/dist\/magic\.js;/);
  } finally {
    await withMagic.stop();
  }
});
