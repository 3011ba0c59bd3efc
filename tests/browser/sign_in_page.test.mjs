// The library's sign-in page with Magic's own SDK, from its npm package, as the CDN serves it. Only
// Magic's site is not Magic's: the frame that the SDK opens there answers as a test wants. That the
// real site answers alike cannot be tested here.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { AXE, CDN, FRAME, OAUTH, SDK, SITE, beside, standInForMagic } from "./magic.mjs";
import { button, cookie, link, newContext, someone, startBrowser, startBrowserWith, startDemo, startForeignSite } from "./support.mjs";

let browser, demo, linking, context;

before(async () => {
  const env = { MAGIC_PUBLISHABLE_KEY: "pk_live_test", MAGIC_PROVIDERS: "google,github" };
  [browser, demo, linking] = await Promise.all([startBrowser(), startDemo(env), startDemo({ MAGIC_PUBLISHABLE_KEY: "pk_live_test", MAGIC_LINKS: "1" })]);
});
after(async () => {
  await browser?.close();
  await Promise.all([demo?.stop(), linking?.stop()]);
});
beforeEach(async () => {
  context = undefined;
});
afterEach(() => context?.close());

// A window in which Magic's hosts are these; `asked` collects what the SDK asks the frame for.
async function magic({ plan = {}, server = demo, sdk = SDK, frame = true, options = {}, window } = {}) {
  context = window ?? (await newContext(browser, options));
  const asked = [], errors = [];
  await standInForMagic(context, {
    plan,
    sdk,
    frame,
    asked: (method, parameters) => asked.push([method, parameters]),
    mint: async (email, attachment) => {
      const answer = await context.request.post(`${server.url}/stand-in/token`, { data: { email, attachment } });
      return (await answer.json()).token;
    },
  });
  context.setDefaultTimeout(15000);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  return { page, asked, errors, methods: () => asked.map(([method]) => method) };
}

const open = async (page, path = "/auth/sign-in?rd=/sessions", server = demo) => {
  await page.goto(server.url + path);
  await page.waitForSelector("#page[data-ready]");
};

async function submit(page, email = someone()) {
  await page.getByLabel("E-mail address").fill(email);
  await button(page, "Continue").click();
}

const arrives = (page, path = "/sessions") => page.waitForURL((url) => url.pathname === path);
const fault = async (page, key) => {
  await page.waitForSelector(`#page[data-fault="${key}"]`);
  const text = await page.getByRole("alert").innerText();
  assert.ok(text.length > 20, `${key}: ${text}`);
  return text;
};
const offered = (page) => page.locator("[data-way]:visible").allInnerTexts();

// ---- scripts ----

test("the scripts are pinned to what npm has", async () => {
  const { page, errors } = await magic();
  await open(page);
  const { dataset } = await page.locator("#page").evaluate(({ dataset }) => ({ dataset: { ...dataset } }));
  const digest = (bytes) => `sha384-${createHash("sha384").update(bytes).digest("base64")}`;
  assert.equal(dataset.magicIntegrity, digest(SDK));
  assert.equal(dataset.oauthIntegrity, digest(OAUTH));
  assert.match(dataset.magic, new RegExp(`magic-sdk@${JSON.parse(await beside("magic-sdk", "package.json")).version}/dist/magic.js$`));
  await page.waitForFunction(() => window.Magic && window.MagicOAuthExtension);
  assert.deepEqual(errors, []);
});

test("a script that is not Magic's does not run, wherever it comes from", async () => {
  const { page, asked } = await magic({ sdk: "window.ran = true; window.Magic = class {};" });
  await open(page);
  await submit(page);
  assert.match(await fault(page, "script"), /could not be loaded/);
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.deepEqual(asked, []);
  assert.deepEqual(await offered(page), ["Try again"]);
});

// ---- signing in ----

test("a person who opens a guarded page signs in and is back there, with a quiet console", async () => {
  const { page, asked, errors, methods } = await magic();
  await page.goto(`${demo.url}/sessions`);
  assert.equal(new URL(page.url()).pathname, "/auth/sign-in");
  const email = someone();
  await submit(page, email);
  await arrives(page);
  assert.ok(await cookie(context));
  const json = JSON.parse(await page.locator("body").innerText());
  assert.equal(json.length, 1);
  assert.deepEqual(methods(), ["magic_is_logged_in", "magic_auth_login_with_email_otp", "magic_auth_generate_id_token"]);
  assert.equal(asked[1][1].email, email);
  assert.equal(asked[1][1].showUI, true);
  assert.match(asked[2][1].attachment, /^[A-Za-z0-9_-]{43}$/, "the token is bound to this browser");
  assert.deepEqual(errors, [], "the policy has all that the SDK needs");
});

test("who is signed in goes straight on, and the back button leads past the page", async () => {
  const { page } = await magic();
  await page.goto(demo.url);
  await page.goto(`${demo.url}/sessions`);
  await submit(page);
  await arrives(page);
  await page.goto(`${demo.url}/auth/sign-in?rd=/me`);
  assert.equal(new URL(page.url()).pathname, "/me");
  await page.goBack();
  assert.notEqual(new URL(page.url()).pathname, "/auth/sign-in");
});

test("a returning visitor with a living Magic session signs in without typing", async () => {
  const { page, methods } = await magic();
  await open(page);
  await submit(page);
  await arrives(page);
  await context.clearCookies();
  await page.goto(`${demo.url}/sessions`);
  await arrives(page);
  assert.equal(methods().filter((method) => method === "magic_auth_login_with_email_otp").length, 1);
});

test("a Magic that does not say whether somebody is signed in keeps nobody from typing", async () => {
  const { page } = await magic({ plan: { magic_is_logged_in: ["never-settles"] } });
  await open(page);
  await submit(page);
  await arrives(page);
});

test("a reload in the middle starts over", async () => {
  const { page } = await magic({ plan: { magic_auth_login_with_email_otp: ["email-otp-sent"] } });
  await open(page);
  await submit(page);
  await page.getByRole("status").filter({ hasText: "sending you a code" }).waitFor();
  await page.reload();
  await page.waitForSelector("#page[data-ready]");
  assert.equal(await page.getByRole("status").innerText(), "");
  assert.ok(await button(page, "Continue").isEnabled());
});

test("of two tabs the other goes on once it is looked at", async () => {
  const { page } = await magic();
  await open(page);
  const other = await context.newPage();
  await other.goto(`${demo.url}/auth/sign-in?rd=/me`);
  await other.waitForSelector("#page[data-ready]");
  await submit(page);
  await arrives(page);
  await other.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await arrives(other, "/me");
});

test("all of it works with the keyboard alone", async () => {
  const { page } = await magic();
  await open(page);
  const focused = () => page.evaluate(() => document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText);
  const order = [];
  for (let step = 0; step < 4; step++) {
    await page.keyboard.press("Tab");
    order.push(await focused());
    assert.equal(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), "solid");
  }
  assert.deepEqual(order, ["E-mail address", "Continue", "Continue with Google", "Continue with GitHub"]);
  await page.getByLabel("E-mail address").focus();
  await page.keyboard.type("nonsense");
  await page.keyboard.press("Enter");
  await fault(page, "email_missing");
  assert.equal(await focused(), "E-mail address", "the field to be mended has the focus");
  await page.keyboard.type("@example.com");
  await page.keyboard.press("Enter");
  await arrives(page);
});

test("a browser that blocks third-party cookies signs in, and stays signed in here", async () => {
  const strict = await startBrowser("--test-third-party-cookie-phaseout");
  try {
    const { page } = await magic({ window: await newContext(strict) });
    await open(page);
    const frame = await page.waitForSelector("iframe.magic-iframe", { state: "attached" });
    const inside = await frame.contentFrame();
    assert.equal(await inside.evaluate(() => { document.cookie = "x=1; SameSite=None; Secure"; return document.cookie; }), "", "or this tests nothing");
    await submit(page);
    await arrives(page);
    await page.reload();
    assert.equal(new URL(page.url()).pathname, "/sessions");
    assert.ok(await cookie(context));
  } finally {
    await strict.close();
  }
});

test("the form is painted while Magic's script is on its way, and a script that never comes is said", async () => {
  const { page } = await magic();
  await context.unroute(CDN);
  await context.route(CDN, () => {});
  await page.goto(`${demo.url}/auth/sign-in`, { waitUntil: "commit" });
  await page.waitForSelector("#page[data-ready]");
  await page.getByLabel("E-mail address").waitFor();
  const painted = await page.evaluate(() => new Promise((resolve) =>
    new PerformanceObserver((list) => list.getEntriesByName("first-contentful-paint").forEach(resolve)).observe({ type: "paint", buffered: true })));
  assert.ok(painted);
  await submit(page);
  assert.match(await fault(page, "script"), /could not be loaded/);
});

// ---- what goes wrong ----

const FAULTS = [
  ["a code that is wrong too often", -10031, "throttled", ["Try again"]],
  ["too many attempts", -10035, "throttled", ["Try again"]],
  ["a code that has expired", -10001, "expired_code", ["Start again"]],
  ["an address that bounces", -10010, "undeliverable", ["Start again"]],
  ["an account that Magic does not let in", -10011, "denied", ["Use another account"]],
  ["a person who changes their mind", -10014, "cancelled", ["Start again"]],
  ["a window that was closed", "closed-by-user", "cancelled", ["Start again"]],
  ["a page that Magic does not know", -10006, "not_listed", []],
  ["something unheard of", -12345, "unknown", ["Start again"]],
];
for (const [name, answer, key, ways] of FAULTS) {
  test(`${name} is said in a sentence, with a way on`, async () => {
    const { page } = await magic({ plan: { magic_auth_login_with_email_otp: [answer] } });
    await open(page);
    await submit(page);
    await fault(page, key);
    assert.deepEqual(await offered(page), ways);
    if (ways[0] === "Start again") await button(page, "Start again").click();
    await submit(page);
    await arrives(page);
  });
}

test("a wrong code is said while Magic's window stays open", async () => {
  const { page } = await magic({ plan: { magic_auth_login_with_email_otp: ["invalid-email-otp"] } });
  await open(page);
  await submit(page);
  await page.getByRole("status").filter({ hasText: "That code is not right." }).waitFor();
});

test("keys that Magic has thrown away are made again without a word", async () => {
  const { page } = await magic({ plan: { magic_auth_login_with_email_otp: [-10019] } });
  await open(page);
  await submit(page);
  await arrives(page);
});

test("Magic's frame that cannot load is said after ten seconds, with what to check", async () => {
  const { page } = await magic({ frame: false });
  await open(page);
  await submit(page);
  assert.match(await fault(page, "unreachable"), /ad blockers/);
  await context.unroute(SITE);
  await context.route(SITE, (route) => route.fulfill({ body: FRAME({}), contentType: "text/html" }));
  await button(page, "Try again").click();
  await arrives(page);
});

// What our own server answers to the exchange, once or for good.
async function serverAnswers(page, status, body, times = 1) {
  await page.route("**/auth/sign-in", (route) =>
    route.request().method() === "POST" && times-- > 0
      ? route.fulfill({ status, contentType: "application/json", body: JSON.stringify(body) })
      : route.fallback());
}

test("a server that is down is said, and trying again takes no second code", async () => {
  const { page, methods } = await magic();
  await open(page);
  await serverAnswers(page, 503, { reason: "unavailable" });
  await submit(page);
  assert.match(await fault(page, "unavailable"), /try again/);
  await button(page, "Try again").click();
  await arrives(page);
  assert.equal(methods().filter((method) => method === "magic_auth_login_with_email_otp").length, 1);
});

test("a network that fails is said too", async () => {
  const { page } = await magic();
  await open(page);
  let failed = false;
  await page.route("**/auth/challenge", (route) => failed ? route.fallback() : ((failed = true), route.abort()));
  await submit(page);
  await fault(page, "server");
  await button(page, "Try again").click();
  await arrives(page);
});

test("a token that is refused once is made again; refused twice, the reason is said", async () => {
  const { page, methods } = await magic();
  await open(page);
  await serverAnswers(page, 401, { reason: "challenge" });
  await submit(page);
  await arrives(page);
  assert.equal(methods().filter((method) => method === "magic_auth_generate_id_token").length, 2);
});

for (const reason of ["used", "challenge", "clock", "not_accepted"]) {
  test(`"${reason}" has its own sentence`, async () => {
    const { page } = await magic();
    await open(page);
    await serverAnswers(page, 401, { reason }, 2);
    await submit(page);
    await fault(page, reason);
  });
}

test("a server that has had enough attempts says so, and takes the next in its time", async () => {
  const { page } = await magic();
  await open(page);
  await serverAnswers(page, 429, { error: "rate_limited" });
  await submit(page);
  await fault(page, "throttled");
  await button(page, "Try again").click();
  await arrives(page);
});

test("a used token makes no session, and that is said", async () => {
  const { page } = await magic();
  await open(page);
  // The demo takes tokens without an attachment too: the very same one, each time.
  const used = await (await context.request.post(`${demo.url}/stand-in/token`, { data: { email: "used@example.com" } })).json();
  await context.request.get(`${demo.url}/me`, { headers: { Authorization: `Bearer ${used.token}` } });
  await context.clearCookies();
  await page.route("**/auth/sign-in", (route) => route.request().method() === "POST"
    ? route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${used.token}` } }) : route.fallback());
  await submit(page);
  await fault(page, "used");
  assert.equal(await cookie(context), undefined);
});

test("who may not use this site is told, and can use another account", async () => {
  const { page, methods } = await magic();
  await open(page);
  await serverAnswers(page, 403, { reason: "refused" });
  await submit(page);
  assert.match(await fault(page, "refused"), /may not use this site/);
  assert.deepEqual(await offered(page), ["Use another account"]);
  await button(page, "Use another account").click();
  await page.waitForFunction(() => document.activeElement.id === "email");
  assert.ok(methods().includes("magic_auth_logout"), "signed out at Magic first");
  await submit(page);
  await arrives(page);
});

test("a browser that keeps no cookies is told so", async () => {
  const { page } = await magic();
  await open(page);
  // A browser that keeps none looks to the page as if none had come.
  await page.route("**/auth/sign-in", async (route) => {
    if (route.request().method() !== "POST") return route.fallback();
    const answer = await context.request.fetch(route.request());
    await context.clearCookies();
    await route.fulfill({ status: answer.status(), body: await answer.text(), contentType: "application/json" });
  });
  await submit(page);
  await fault(page, "no_cookie");
});

for (const [name, path] of [["signs in", "/auth/sign-in?rd=/me"], ["comes back from a provider", "/auth/callback?code=a&state=b"]]) {
  test(`a person whose browser blocks all cookies and ${name} is told so`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "tower-didt-no-cookies-"));
    await mkdir(join(folder, "Default"));
    await writeFile(join(folder, "Default", "Preferences"), JSON.stringify({ profile: { default_content_setting_values: { cookies: 2 } } }));
    context = await startBrowserWith(folder);
    try {
      const { page, methods } = await magic({ window: context });
      await page.goto(demo.url + path);
      assert.equal(await page.evaluate(() => { try { return typeof localStorage; } catch { return "blocked"; } }), "blocked");
      await page.waitForSelector("#page[data-ready]");
      assert.match(await fault(page, "no_cookie"), /allow cookies/);
      if (name === "signs in") await submit(page);
      assert.match(await fault(page, "no_cookie"), /allow cookies/);
      assert.deepEqual(methods(), [], "nobody is sent a code for nothing");
    } finally {
      await context.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

test("a page over plain http on another host says that browsers keep no sign-in", async () => {
  const { page } = await magic();
  const plain = "http://plain.example";
  await context.route(`${plain}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    // What is still on its way when the test ends has nobody to be given to.
    await context.request.get(demo.url + pathname).then((response) => route.fulfill({ response })).catch(() => {});
  });
  await page.goto(`${plain}/auth/sign-in`);
  await fault(page, "insecure");
});

test("without scripts the page says what is missing", async () => {
  const { page } = await magic({ options: { javaScriptEnabled: false } });
  await page.goto(`${demo.url}/auth/sign-in`);
  // Selectors by text leave <noscript> out.
  const told = page.locator("noscript p");
  await told.waitFor();
  assert.match(await told.textContent(), /needs JavaScript/);
  assert.ok((await told.boundingBox()).height > 20);
});

// ---- links and providers ----

// As if this browser had asked for a link to this address, or for a provider.
const remember = (page, asked) => page.evaluate((asked) => localStorage.setItem("didt.way-back", JSON.stringify({ rd: "/me", until: Date.now() + 1000000, ...asked })), asked);

test("a magic link signs in where it was asked for, and the way back is kept", async () => {
  const email = someone();
  const { page, asked } = await magic({ server: linking, plan: { email } });
  await open(page, "/auth/sign-in?rd=/me", linking);
  await submit(page, email.toUpperCase());
  await page.getByRole("status").filter({ hasText: "sent you a link" }).waitFor();
  await page.waitForFunction(() => localStorage.getItem("didt.way-back"));
  while (!asked.some(([method]) => method.endsWith("magic_link"))) await page.waitForTimeout(20);
  const { redirectURI } = asked.find(([method]) => method.endsWith("magic_link"))[1];
  assert.equal(redirectURI, `${linking.url}/auth/callback`, "the way back is not in there");

  const opened = await context.newPage();
  await opened.goto(`${redirectURI}?magic_credential=abc`);
  await arrives(opened, "/me");
  assert.ok(await cookie(context));
  await arrives(page, "/me");
});

test("a link that this browser did not ask for signs nobody in", async () => {
  const { page, methods } = await magic({ server: linking, plan: { email: "mallory@example.com" } });
  await page.goto(`${linking.url}/auth/callback?magic_credential=mallorys`);
  await fault(page, "link_elsewhere");
  assert.equal(await cookie(context), undefined);
  assert.deepEqual(methods(), []);
  await button(page, "Start again").click();
  await page.waitForURL(`${linking.url}/auth/sign-in`);
});

test("a link that somebody else asked for signs nobody in, even a person who waits for one", async () => {
  const { page, methods } = await magic({ server: linking, plan: { email: "mallory@example.com" } });
  await open(page, "/auth/sign-in?rd=/me", linking);
  await submit(page, "ada@example.com");
  await page.waitForFunction(() => localStorage.getItem("didt.way-back"));
  const opened = await context.newPage();
  await opened.goto(`${linking.url}/auth/callback?magic_credential=mallorys`);
  await fault(opened, "link_elsewhere");
  assert.equal(await cookie(context), undefined);
  assert.ok(methods().includes("magic_auth_logout"), "nor does Magic keep that account here");
});

test("a link answers nobody who asked for a provider, nor a provider who asked for a link", async () => {
  const { page, methods } = await magic({ plan: { email: "mallory@example.com" } });
  await page.goto(demo.url);
  for (const [asked, query] of [[{ provider: "google" }, "magic_credential=mallorys"], [{ email: "mallory@example.com" }, "code=a&state=b"], [{}, "magic_credential=x"], [{}, "state=x"]]) {
    await remember(page, asked);
    await page.goto(`${demo.url}/auth/callback?${query}`);
    await fault(page, "link_elsewhere");
    assert.equal(await cookie(context), undefined, query);
  }
  assert.deepEqual(methods(), [], "Magic is not even asked");
});

test("a link whose account Magic does not name signs nobody in, and can be tried again", async () => {
  const email = someone();
  const { page } = await magic({ server: linking, plan: { email, magic_get_info: [-32603] } });
  await page.goto(`${linking.url}/auth/sign-in`);
  await remember(page, { email });
  await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
  await fault(page, "unknown");
  assert.equal(await cookie(context), undefined);
});

test("a link that has expired is said, and so is one that is used twice", async () => {
  const { page } = await magic({ server: linking, plan: { magic_auth_login_with_credential: [-10001], email: someone() } });
  await page.goto(`${linking.url}/auth/callback`);
  await page.waitForURL(`${linking.url}/auth/sign-in`);
  await remember(page, { email: someone() });
  await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
  await fault(page, "link_expired");
  await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
  await fault(page, "link_elsewhere");
});

test("a forged way back in the browser's storage leads nowhere but home", async () => {
  const email = someone();
  const { page } = await magic({ server: linking, plan: { email } });
  await page.goto(`${linking.url}/auth/sign-in`);
  for (const rd of ["https://evil.example/", "//evil.example", "javascript:alert(1)"]) {
    await remember(page, { email, rd });
    await context.clearCookies();
    await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
    await page.waitForURL(`${linking.url}/`);
  }
});

test("a provider signs in, and the way back is kept", async () => {
  const { page } = await magic({ plan: { email: someone() } });
  await context.route("https://provider.example/**", (route) => {
    const to = new URL(route.request().url()).searchParams.get("to");
    route.fulfill({ contentType: "text/html", body: `<a href="${to}">${to}</a>` });
  });
  await open(page, "/auth/sign-in?rd=/me");
  await button(page, "Continue with Google").click();
  await page.waitForURL("https://provider.example/**");
  const to = new URL(await page.locator("a").innerText());
  assert.equal(to.origin + to.pathname, `${demo.url}/auth/callback`, "the way back is not in there");
  await page.locator("a").click();
  await arrives(page, "/me");
});

test("a provider that says no, and a state that is not ours, sign nobody in", async () => {
  const { page } = await magic({ plan: { email: "mallory@example.com" } });
  await page.goto(`${demo.url}/auth/callback?code=mallorys&state=mallorys`);
  await fault(page, "link_elsewhere");
  await page.goto(`${demo.url}/auth/sign-in`);
  for (const query of ["error=access_denied&state=x", "code=a&state=mallorys"]) {
    await remember(page, { provider: "google" });
    await page.goto(`${demo.url}/auth/callback?${query}`);
    await page.waitForSelector("#page[data-fault]");
    assert.equal(await cookie(context), undefined, query);
    await page.goto(`${demo.url}/auth/signed-in`);
  }
});

// ---- signing out ----

test("signing out ends our session and Magic's, and nobody is signed in again by the way", async () => {
  const { page, methods } = await magic();
  await open(page);
  await submit(page);
  await arrives(page);
  await page.goto(`${demo.url}/auth/sign-out?rd=/page/icon.svg`);
  assert.ok(await cookie(context), "opening the page changes nothing");
  await button(page, "Sign out").click();
  await arrives(page, "/page/icon.svg");
  assert.equal(await cookie(context), undefined);
  assert.ok(methods().includes("magic_auth_logout"));
  await open(page);
  await page.waitForTimeout(300);
  assert.equal(new URL(page.url()).pathname, "/auth/sign-in");
});

test("signing out here works where Magic cannot be reached, and holds", async () => {
  const { page } = await magic({ plan: { magic_auth_logout: ["never-settles"] } });
  await open(page);
  await submit(page);
  await arrives(page);
  await page.goto(`${demo.url}/auth/sign-out`);
  await button(page, "Sign out").click();
  await page.waitForURL(`${demo.url}/`);
  assert.equal(await cookie(context), undefined);
  await open(page);
  await page.waitForFunction(() => window.Magic);
  await page.waitForTimeout(500);
  assert.equal(await cookie(context), undefined, "Magic's living session is not used without being asked");
});

test("without scripts the form signs out as well", async () => {
  const { page } = await magic({ options: { javaScriptEnabled: false } });
  const { token } = await (await context.request.post(`${demo.url}/stand-in/token`, { data: { email: someone() } })).json();
  await context.request.get(`${demo.url}/me`, { headers: { Authorization: `Bearer ${token}` } });
  assert.ok(await cookie(context));
  await page.goto(`${demo.url}/auth/sign-out?rd=/page/icon.svg`);
  await button(page, "Sign out").click();
  await arrives(page, "/page/icon.svg");
  assert.equal(await cookie(context), undefined);
});

test("without scripts a refused person's form signs out too, and no form sends the e-mail address", async () => {
  const { page } = await magic({ options: { javaScriptEnabled: false } });
  const { token } = await (await context.request.post(`${demo.url}/stand-in/token`, { data: { email: someone() } })).json();
  await context.request.get(`${demo.url}/me`, { headers: { Authorization: `Bearer ${token}` } });
  await page.goto(`${demo.url}/auth/refused?rd=/me`);
  await button(page, "Use another account").click();
  await page.waitForURL(`${demo.url}/`);
  assert.equal(await cookie(context), undefined);
  await page.goto(`${demo.url}/auth/sign-in`);
  await page.getByLabel("E-mail address").fill("ada@example.com");
  await button(page, "Continue").click({ noWaitAfter: true }); // no navigation comes of it
  await page.waitForTimeout(300);
  assert.equal(page.url(), `${demo.url}/auth/sign-in`);
});

test("a foreign page can neither frame the pages nor sign anybody out", async () => {
  const { page } = await magic();
  await open(page);
  await submit(page);
  await arrives(page);
  const foreign = await startForeignSite(`<!doctype html><iframe src="${demo.url}/auth/sign-in"></iframe>
    <form method="post" action="${demo.url}/auth/sign-out"><button>a form</button></form>`);
  try {
    await page.goto(foreign.url);
    const inside = page.frames().find((frame) => frame !== page.mainFrame());
    assert.doesNotMatch(await inside.content(), /E-mail address/);
    const [form] = await Promise.all([page.waitForResponse(/sign-out$/), page.click("button")]);
    assert.equal(form.status(), 403);
    assert.ok(await cookie(context), "the session lives on");
  } finally {
    foreign.stop();
  }
});

test("a foreign page signs nobody in: neither by a form nor by a script", async () => {
  const { page } = await magic();
  await open(page);
  const { token } = await (await context.request.post(`${demo.url}/stand-in/token`, { data: { email: "mallory@example.com" } })).json();
  const foreign = await startForeignSite(`<!doctype html>
    <form method="post" action="${demo.url}/auth/sign-in"><button>a form</button></form>`);
  try {
    await page.goto(foreign.url);
    const read = await page.evaluate(async ([url, token]) => {
      const headers = { Authorization: `Bearer ${token}` };
      const ways = [{ method: "POST", headers, credentials: "include" }, { method: "POST", credentials: "include", mode: "no-cors", headers }, { method: "POST", credentials: "include", mode: "no-cors" }];
      const read = [];
      for (const way of ways) read.push(await fetch(`${url}/auth/sign-in`, way).then(({ type }) => type, () => "failed"));
      return read;
    }, [demo.url, token]);
    assert.deepEqual(read, ["failed", "opaque", "opaque"]);
    const [form] = await Promise.all([page.waitForResponse(/sign-in$/), page.click("button")]);
    assert.equal(form.status(), 403);
    assert.equal(await cookie(context), undefined);
  } finally {
    foreign.stop();
  }
});

test("an oversize or repeated way back is no way, and nothing of it is in the page", async () => {
  const { page } = await magic();
  for (const query of [`rd=/me%3F${"x".repeat(9000)}`, "rd=/me&rd=/sessions", `rd=${"%2F".repeat(2000)}evil.example`, "rd=%3Cimg%20src=x%20onerror=alert(1)%3E"]) {
    await context.clearCookies();
    await open(page, `/auth/sign-in?again&${query}`);
    assert.equal(await page.locator("img").count(), 0);
    await submit(page);
    await page.waitForURL(`${demo.url}/`);
  }
});

test("a callback that is loaded again after it was used signs nobody in again, and loops nowhere", async () => {
  const email = someone();
  const { page, methods } = await magic({ server: linking, plan: { email } });
  await open(page, "/auth/sign-in?rd=/me", linking);
  await remember(page, { email });
  await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
  await arrives(page, "/me");
  await context.clearCookies();
  const before = methods().length;
  await page.goto(`${linking.url}/auth/callback?magic_credential=abc`);
  await fault(page, "link_elsewhere");
  assert.equal(methods().length, before, "Magic is not even asked");
  assert.equal(await cookie(context), undefined);
});

// ---- looks ----

for (const colorScheme of ["light", "dark"]) {
  for (const [view, prepare] of [["sign-in", null], ["sign-in", "fault"], ["sign-in", "refused"], ["sign-in", "throttled"], ["sign-in", "status"],
    ["callback?magic_credential=x", null], ["sign-out", null], ["refused", null]]) {
    test(`nothing stands in the way of a screen reader, nor of weak eyes: ${view}${prepare ? `, ${prepare}` : ""}, ${colorScheme}`, async () => {
      const plan = { status: { magic_auth_login_with_email_otp: ["email-otp-sent"] }, throttled: { magic_auth_login_with_email_otp: [-10035] } }[prepare];
      const { page } = await magic({ plan, options: { colorScheme, viewport: { width: 360, height: 740 } } });
      await page.goto(`${demo.url}/auth/${view}`);
      await page.waitForSelector("#page[data-ready]");
      if (prepare === "fault") {
        await button(page, "Continue").click();
        await fault(page, "email_missing");
      } else if (prepare === "status") {
        await submit(page);
        await page.getByRole("status").filter({ hasText: "sending you a code" }).waitFor();
      } else if (prepare) {
        await serverAnswers(page, 403, { reason: "refused" });
        await submit(page);
        await fault(page, prepare);
      }
      await page.evaluate(AXE);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { iframes: false }));
      assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing is wider than a phone");
    });
  }
}
