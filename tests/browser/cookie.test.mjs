// What a real browser does with the cookie.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, afterEach, test } from "node:test";

import { cookie, newContext, open, signIn, startBrowser, startBrowserWith, startDemo, startForeignSite, status } from "./support.mjs";

const WEEK = 7 * 24 * 60 * 60;

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

test("the cookie is kept with all its attributes and no script sees it", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  const { value, expires, ...rest } = await cookie(context);
  assert.match(value, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(Math.abs(expires - Date.now() / 1000 - WEEK) < 60, `ends ${expires}`);
  assert.deepEqual(rest, {
    name: "__Host-didt", domain: "localhost", path: "/", httpOnly: true, secure: true, sameSite: "Lax",
  });
  assert.equal(await page.evaluate(() => document.cookie), "");
  assert.deepEqual(await page.evaluate(async () => (await cookieStore.getAll()).map(({ name }) => name)), []);
});

test("the challenge's cookie is as well kept, and gone after signing in", async () => {
  const { page } = await open(context, demo.url);
  await page.evaluate(() => fetch("/challenge", { method: "POST" }));
  const { value, expires, ...rest } = await cookie(context, "__Host-didt-challenge");
  assert.equal(value.length, 96);
  assert.ok(Math.abs(expires - Date.now() / 1000 - 600) < 60, `ends ${expires}`);
  assert.deepEqual(rest, {
    name: "__Host-didt-challenge", domain: "localhost", path: "/", httpOnly: true, secure: true, sameSite: "Lax",
  });
  assert.equal(await page.evaluate(() => document.cookie), "");
  await signIn(page);
  assert.deepEqual((await context.cookies()).map(({ name }) => name), ["__Host-didt"]);
});

test("the session survives a reload and is there in another tab", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  const { value } = await cookie(context);
  await page.reload();
  await page.waitForSelector("html[data-ready]");
  assert.ok(await page.getByText("did:ethr:0x").isVisible());
  const { page: tab } = await open(context, demo.url);
  assert.equal(await status(tab, "/me"), 200);
  assert.equal((await cookie(context)).value, value);
});

test("the session survives a restart of the browser", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tower-didt-browser-"));
  try {
    let context = await startBrowserWith(folder);
    await signIn((await open(context, demo.url)).page);
    await context.close();
    context = await startBrowserWith(folder);
    const { page } = await open(context, demo.url);
    assert.equal(await status(page, "/me"), 200);
    await context.close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("a link from another site arrives signed in; its forms, images and requests do not", async () => {
  const foreign = await startForeignSite(`<!doctype html>
    <a href="${demo.url}/me">a link</a>
    <form method="post" action="${demo.url}/sign-out-everywhere"><button>a form</button></form>`);
  try {
    await signIn((await open(context, demo.url)).page);
    const page = await context.newPage();

    await page.goto(foreign.url);
    const [link] = await Promise.all([page.waitForResponse(/\/me$/), page.click("a")]);
    assert.equal(link.status(), 200);
    assert.match((await link.request().allHeaders()).cookie, /__Host-didt=/);

    await page.goto(foreign.url);
    const [form] = await Promise.all([page.waitForResponse(/\/sign-out-everywhere$/), page.click("button")]);
    const sent = await form.request().allHeaders();
    assert.equal(sent["sec-fetch-site"], "cross-site");
    assert.equal(sent.cookie, undefined);
    assert.equal(form.status(), 401);

    await page.goto(foreign.url);
    const [fetched] = await Promise.all([
      page.waitForRequest(/\/me$/),
      page.evaluate((url) => fetch(url, { mode: "no-cors", credentials: "include" }).catch(() => {}), `${demo.url}/me`),
    ]);
    assert.equal((await fetched.allHeaders()).cookie, undefined);

    const { page: own } = await open(context, demo.url);
    assert.equal(await status(own, "/me"), 200, "the session lives on");
  } finally {
    foreign.stop();
  }
});

test("a page on another port of the same host is sent the cookie along, and the layer refuses it", async () => {
  await signIn((await open(context, demo.url)).page);
  // Cookies know no ports: to the browser this is the same site.
  const neighbour = "https://localhost:1/";
  const page = await context.newPage();
  await page.route(neighbour, (route) => route.fulfill({
    contentType: "text/html",
    body: `<!doctype html><form method="post" action="${demo.url}/sign-out-everywhere"><button>a form</button></form>`,
  }));
  await page.goto(neighbour);
  // What is intercepted does not show its headers.
  await page.unroute(neighbour);
  const [form] = await Promise.all([page.waitForResponse(/\/sign-out-everywhere$/), page.click("button")]);
  const sent = await form.request().allHeaders();
  assert.equal(sent["sec-fetch-site"], "same-site");
  assert.match(sent.cookie, /__Host-didt=/);
  assert.equal(form.status(), 403);
  assert.equal(await status((await open(context, demo.url)).page, "/me"), 200, "the session lives on");
});

test("the same server under another host name is another site without a session", async () => {
  await signIn((await open(context, demo.url)).page);
  const { page } = await open(context, demo.url.replace("localhost", "127.0.0.1"));
  assert.equal(await status(page, "/me"), 401);
});

test("signing out takes the cookie away, and what was copied of it opens nothing", async () => {
  const { page } = await open(context, demo.url);
  await signIn(page);
  const copy = await cookie(context);
  // Not by the button: the page asks for the session afterwards, and that takes a dead cookie away too.
  assert.equal(await status(page, "/sign-out", "POST"), 200);
  assert.equal(await cookie(context), undefined);
  await context.addCookies([copy]);
  assert.equal(await status(page, "/me"), 401);
  assert.equal(await cookie(context), undefined, "a dead cookie is taken away");
});
