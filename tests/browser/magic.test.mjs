// Magic's own SDK in the page, from its npm package. Only Magic's site is not Magic's: the frame that
// the SDK opens there has a test wallet in it. That the real site answers alike cannot be tested here.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { button, cookie, newContext, newest, open, showsWallet, startBrowser, startDemo } from "./support.mjs";

const { resolve } = createRequire(import.meta.url);
const SDK = await readFile(resolve("magic-sdk").replace(/dist.*$/, "dist/magic.js"));
const CDN = "https://cdn.jsdelivr.net/**";
const SITE = "https://auth.magic.link/**";

// The methods of JSON-RPC that the SDK sends to the frame, answered as the frame's page does. What
// needs the wallet is passed on to the page that opened it, which has one.
const FRAME = `<!doctype html><script>
  const asked = [];
  let loggedIn = false;
  const answers = {
    magic_is_logged_in: () => loggedIn,
    magic_auth_is_logged_in: () => loggedIn,
    magic_auth_login_with_email_otp: () => { loggedIn = true; return "a token that nobody asked for"; },
    magic_auth_generate_id_token: ([{ attachment }]) => window.mint(attachment),
  };
  const parameters = new URL(location).searchParams.get("params");
  const say = (msgType, response) => parent.postMessage({ msgType: msgType + "-" + parameters, response }, "*");
  addEventListener("message", async ({ data: { msgType, payload } }) => {
    if (!msgType.startsWith("MAGIC_HANDLE_REQUEST")) return;
    window.asked(payload.method, payload.params);
    const answer = answers[payload.method];
    const rest = answer ? { result: await answer(payload.params) } : { error: { code: -32601, message: "no such method" } };
    say("MAGIC_HANDLE_RESPONSE", { jsonrpc: "2.0", id: payload.id, ...rest });
  });
  say("MAGIC_OVERLAY_READY");
</script>`;

let browser, demo;

before(async () => {
  [browser, demo] = await Promise.all([startBrowser(), startDemo({ MAGIC_PUBLISHABLE_KEY: "pk_live_test" })]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

// A window in which Magic's hosts are these; `asked` collects what the SDK asks the frame for.
async function withMagic(script) {
  const context = await newContext(browser);
  const asked = [];
  await context.route(CDN, (route) => route.fulfill({ body: script, contentType: "text/javascript", headers: { "Access-Control-Allow-Origin": "*" } }));
  await context.route(SITE, (route) => route.fulfill({ body: FRAME, contentType: "text/html" }));
  await context.exposeFunction("asked", (method, parameters) => asked.push([method, parameters]));
  await context.exposeBinding("mint", ({ page }, attachment) =>
    page.mainFrame().evaluate(async (attachment) => {
      const { Wallet } = await import("/page/wallet.js");
      const { audience } = await (await fetch("/page/config.json")).json();
      return Wallet.load().token(audience, attachment);
    }, attachment));
  const { page, errors } = await open(context, demo.url);
  const strangers = () => page.evaluate((own) =>
    performance.getEntriesByType("resource").map(({ name }) => name).filter((name) => !name.startsWith(own)), demo.url);
  return { context, page, errors, asked, strangers };
}

async function submit(page) {
  await page.getByLabel("Or with Magic: your e-mail address").fill("ada@example.com");
  await button(page, "Sign in with Magic").click();
}

test("signs in through Magic's SDK, with a token for this browser only", async () => {
  const { context, page, errors, asked, strangers } = await withMagic(SDK);
  assert.deepEqual(await strangers(), [], "nothing of Magic's before somebody wants to sign in with it");
  await submit(page);
  await newest(page).filter({ hasText: "Signed in." }).waitFor();
  assert.ok(await cookie(context));
  await showsWallet(page);

  assert.deepEqual(asked.map(([method]) => method), ["magic_is_logged_in", "magic_auth_login_with_email_otp", "magic_auth_generate_id_token"]);
  assert.equal(asked[1][1][0].email, "ada@example.com");
  assert.match(asked[2][1][0].attachment, /^[A-Za-z0-9_-]{43}$/, "the server's challenge");
  assert.equal((await strangers()).filter((name) => name.startsWith("https://cdn.")).length, 1);
  assert.deepEqual(errors, [], "the content security policy has all that the SDK needs");
  await context.close();
});

test("does not run a script that is not the SDK, wherever it comes from", async () => {
  const { context, page, asked } = await withMagic("window.Magic = class { constructor() { window.ran = true; } };");
  await submit(page);
  await newest(page).filter({ hasText: "Magic's script cannot be loaded" }).waitFor();
  assert.equal(await page.evaluate(() => window.ran), undefined);
  assert.deepEqual(asked, []);
  await context.close();
});
