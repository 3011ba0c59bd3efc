// A site that is guarded: a browser, a real gateway, `didt serve` with the sign-in page and Magic's own SDK, and a real
// application that knows people by a header. In place of Magic's site there is a stand-in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, afterEach, before, describe, test } from "node:test";

import { FRAME, SITE, resolveSdk, standInForMagic } from "./magic.mjs";
import { startSite } from "./site.mjs";
import { button, newContext, startBrowser, startForeignSite } from "./support.mjs";

// One with the script of the CDN, the other with the file, and below another path.
const SITES = {
  nginx: {},
  caddy: { prefix: "/-/account", settings: [`sign_in.magic_file=${resolveSdk()}`] },
};

// The form that docs/serve.md shows.
const [, FORM] = /^```html\n(.*?)^```$/ms.exec(await readFile(new URL("../../docs/serve.md", import.meta.url), "utf8"));

for (const [gateway, options] of Object.entries(SITES)) describe(gateway, () => {
  let browser, site, context;
  before(async () => {
    [browser, site] = await Promise.all([startBrowser(), startSite(gateway, options)]);
  });
  after(async () => {
    await browser?.close();
    await site?.stop();
  });
  afterEach(async () => {
    await context?.close();
    context = undefined;
  });

  // A window of a person's, in which Magic's hosts are stand-ins.
  async function open(path = "/.web/", plan = {}) {
    context = await newContext(browser);
    context.setDefaultTimeout(20000);
    await standInForMagic(context, { ...plan, mint: site.mint });
    const page = await context.newPage();
    await page.goto(site.url + path);
    return page;
  }
  const at = (page, name) => page.waitForURL((url) => url.pathname === `${site.prefix}/${name}`);
  async function signIn(page, email) {
    await at(page, "sign-in");
    await page.waitForSelector("#page[data-ready]");
    await page.getByLabel("E-mail address").fill(email);
    await button(page, "Continue").click();
  }
  const greets = (page, email) => page.getByText(`${email}'s Collections`).waitFor().catch(async (error) => {
    throw new Error(`${page.url()} says: ${await page.locator("body").innerText()}`, { cause: error });
  });
  const ask = (page, path, options) => page.evaluate(async ([path, options]) => (await fetch(path, options)).status, [path, options]);

  test("a person opens a page, signs in, and the application greets them", async () => {
    const page = await open("/.web/?from=mail");
    assert.equal(new URL(page.url()).searchParams.get("rd"), "/.web/?from=mail");
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
    assert.equal(page.url(), `${site.url}/.web/?from=mail`);
    // What is hers is nobody else's.
    assert.equal(await ask(page, "/ada@example.com/calendar/", { method: "MKCALENDAR" }), 201);
    assert.equal(await ask(page, "/grace@example.com/calendar/", { method: "MKCALENDAR" }), 403);
  });

  test("nobody becomes somebody else by a header", async () => {
    const page = await open();
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
    for (const name of ["X-Remote-User", "X_Remote_User", "X-Remote_User", "X-Auth-Email"]) {
      const status = await ask(page, "/grace@example.com/", { method: "PROPFIND", headers: { [name]: "grace@example.com" } });
      assert.equal(status, 403, name);
    }
    await context.clearCookies();
    const strangers = await ask(page, "/grace@example.com/", { method: "PROPFIND", headers: { "X-Remote-User": "grace@example.com" } });
    assert.ok([401, 403].includes(strangers), `${strangers}`);
  });

  test("scripts are refused, not redirected", async () => {
    const page = await open();
    await at(page, "sign-in");
    assert.equal(await ask(page, "/.web/", {}), 401);
    assert.equal(await ask(page, "/ada@example.com/", { method: "PROPFIND" }), 401);
  });

  test("after signing out another person signs in, and is somebody else", async () => {
    const page = await open();
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
    await page.goto(`${site.url}${site.prefix}/sign-out?rd=/.web/`);
    await button(page, "Sign out").click();
    await signIn(page, "grace@example.com");
    await greets(page, "grace@example.com");
  });

  test("who types another address is that person, also while somebody is signed in at Magic", async () => {
    const page = await open();
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
    await page.goto(`${site.url}${site.prefix}/sign-in?again&rd=/.web/`);
    await signIn(page, "grace@example.com");
    await greets(page, "grace@example.com");
  });

  test("a form of the site's own page signs out and leads on; a foreign one does neither", async () => {
    const page = await open();
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
    const logout = `${site.url}${site.prefix}/logout`;
    const foreign = await startForeignSite(`<form method="post" action="${logout}"><button>Sign out</button></form>`);
    const isSignedIn = async () => (await context.request.get(`${site.url}${site.prefix}/session`)).status() === 200;
    try {
      await page.goto(foreign.url);
      const [answer] = await Promise.all([page.waitForResponse(logout), button(page, "Sign out").click()]);
      assert.equal(answer.headers()["location"], answer.status() === 303 ? "/" : undefined);
      assert.ok(await isSignedIn(), "the browser kept the cookie back, or the server refused");
    } finally {
      foreign.stop();
    }
    await page.goto(`${site.url}/.web/`);
    await greets(page, "ada@example.com");
    for (const [policy, rd, path] of [["", "/.web/?bye", "/.web/"], ["no-referrer", "https://evil.example/", "/"]]) {
      const old = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join("; ");
      const [answer] = await Promise.all([
        page.waitForResponse((answer) => answer.url().startsWith(logout)),
        page.evaluate(([action, rd, policy, html]) => {
          document.head.insertAdjacentHTML("beforeend", `<meta name="referrer" content="${policy}">`);
          document.body.innerHTML = html;
          const [form] = document.forms;
          form.action = action;
          form.elements.rd.value = rd;
          form.querySelector("button").click();
        }, [logout, rd, policy, FORM]),
      ]);
      assert.equal(answer.status(), 303);
      assert.equal(new URL(answer.headers()["location"], site.url).pathname, path);
      assert.equal((await fetch(`${site.url}${site.prefix}/session`, { headers: { cookie: old } })).status, 401);
      // Nothing is typed: the form ended our session, and Magic's lives on.
      await page.waitForURL((url) => url.pathname === "/.web/");
      await greets(page, "ada@example.com");
    }
  });

  test("a person who is not on the list is told so, and uses another account", async () => {
    const page = await open("/.web/");
    await signIn(page, "bob@example.com");
    await at(page, "refused");
    await page.getByText("this account may not open that page").waitFor();
    assert.equal(await ask(page, page.url()), 403);
    await button(page, "Use another account").click();
    await signIn(page, "ada@example.com");
    await greets(page, "ada@example.com");
  });

  test("without Magic's frame the page says what to check", async () => {
    const page = await open("/.web/", { frame: false });
    await signIn(page, "ada@example.com");
    await page.getByRole("alert").filter({ hasText: "cannot be reached from this browser" }).waitFor();
    await context.unroute(SITE);
    await context.route(SITE, (route) => route.fulfill({ body: FRAME({}), contentType: "text/html" }));
    await button(page, "Try again").click();
    await greets(page, "ada@example.com");
  });

  test("with Redis down nobody is signed in, and trying again is enough", async () => {
    const asked = [];
    const codes = () => asked.filter((method) => method === "magic_auth_login_with_email_otp").length;
    const page = await open("/.web/", { asked: (method) => asked.push(method) });
    await at(page, "sign-in");
    await site.redis.stop();
    try {
      await signIn(page, "ada@example.com");
      await page.getByRole("alert").filter({ hasText: "Our server cannot sign you in at the moment" }).waitFor();
      assert.deepEqual((await context.cookies()).filter(({ name }) => name === "__Host-didt"), []);
    } finally {
      await site.redis.start();
    }
    // Until the server has a connection again.
    for (let tries = 0; tries < 10 && new URL(page.url()).pathname !== "/.web/"; tries++) {
      await button(page, "Try again").click();
      await Promise.race([page.waitForURL(`${site.url}/.web/`), button(page, "Try again").waitFor()]).catch(() => {});
    }
    await greets(page, "ada@example.com");
    assert.equal(codes(), 1, "one code was enough");
  });
});
