// The JavaScript of the README and the guides, as it stands there, against the demo. In Magic's
// place is an object with the same methods and a test wallet; sign_in_page.test.mjs has the real SDK.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { cookie, newContext, open, startBrowser, startDemo, status } from "./support.mjs";

const ROOT = new URL("../../", import.meta.url);

const MAGIC = `
  const mint = async (attachment) => {
    const body = JSON.stringify({ email: "ada@example.com", attachment });
    const answer = await fetch("/stand-in/token", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return (await answer.json()).token;
  };
  export class Magic {
    constructor(key) { if (!key.startsWith("pk_")) throw new Error("not a publishable key"); }
    auth = { loginWithEmailOTP: async ({ email }) => { if (!email) throw new Error("no e-mail address"); } };
    user = {
      getIdToken: () => mint(),
      generateIdToken: ({ attachment }) => mint(attachment),
      logout: async () => true,
    };
  }`;

let browser, demo, context, page;

before(async () => {
  [browser, demo] = await Promise.all([startBrowser(), startDemo()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});
beforeEach(async () => {
  context = await newContext(browser);
  ({ page } = await open(context, demo.url));
  await serve("/page/magic-sdk.js", MAGIC);
});
afterEach(() => context.close());

const serve = (path, body) =>
  context.route(demo.url + path, (route) => route.fulfill({ body, contentType: "text/javascript" }));

// The blocks of JavaScript in a file.
async function blocks(file) {
  const text = await readFile(new URL(file, ROOT), "utf8");
  return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
}

// Runs a block as it is; what it says of `magic` and `api` is given to it.
async function run(file, before = "", after = "") {
  const [code, ...more] = await blocks(file);
  assert.deepEqual(more, [], `${file} has one block`);
  await serve("/page/block.js", `export default async (magic, api) => { ${before}\n${code}\n${after} };`);
  return page.evaluate(async () => {
    const { Magic } = await import("/page/magic-sdk.js");
    return (await import("/page/block.js")).default(new Magic("pk_live_test"), location.origin);
  });
}

test("README.md: one request signs in", async () => {
  await run("README.md");
  assert.ok(await cookie(context));
  assert.equal(await status(page, "/me"), 200);
});

test("docs/bound-login.md: the two more lines bind the token", async () => {
  const token = await run("docs/bound-login.md", "", "return token;");
  assert.ok(await cookie(context));
  const alone = await context.request.get(`${demo.url}/me`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(alone.status(), 200, "beside the session's cookie");
  await context.clearCookies();
  const stolen = await context.request.get(`${demo.url}/me`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(stolen.status(), 401, "and without");
});

test("docs/mobile-client.md: a token authenticates, and no cookie is kept", async () => {
  const seen = page.waitForResponse((response) => response.url().endsWith("/me"));
  await run("docs/mobile-client.md");
  assert.equal((await seen).status(), 200);
  assert.equal(await cookie(context), undefined);
});

test("docs/single-page-app.md: signs in, knows who it is, signs out", async () => {
  const [code, ...more] = await blocks("docs/single-page-app.md");
  assert.deepEqual(more, []);
  // The demo has the same routes, not below /api.
  await context.route(`${demo.url}/api/**`, (route) => route.continue({ url: route.request().url().replace("/api/", "/") }));
  assert.match(code, /from "magic-sdk"/);
  await serve("/page/spa.js", code.replace('from "magic-sdk"', 'from "/page/magic-sdk.js"'));
  const [before, during, after] = await page.evaluate(async () => {
    const { signIn, whoAmI, signOut } = await import("/page/spa.js");
    const before = await whoAmI();
    await signIn("ada@example.com");
    const during = await whoAmI();
    await signOut();
    return [before, during, await whoAmI()];
  });
  assert.equal(before, null);
  assert.match(during.issuer, /^did:ethr:0x/);
  assert.equal(after, null);
});

test("docs/serve.md: signs in once, is known by the cookie, signs out", async () => {
  // The demo has the same routes under other names.
  const routes = { "/auth/login": "/sign-in", "/orders": "/me", "/auth/logout": "/sign-out" };
  for (const [path, own] of Object.entries(routes)) {
    await context.route(demo.url + path, (route) => route.continue({ url: demo.url + own }));
  }
  await context.route(`${demo.url}/auth/sessions?**`, (route) => route.continue({ url: `${demo.url}/sessions` }));
  const seen = [];
  page.on("response", (response) => seen.push([new URL(response.url()).pathname, response.status()]));
  await run("docs/serve.md");
  const asked = seen.filter(([path]) => path in routes || Object.values(routes).includes(path));
  assert.deepEqual(asked.map(([, status]) => status), [200, 200, 200]);
  assert.equal(await cookie(context), undefined, "signed out in the end");
  assert.equal(await status(page, "/me"), 401);
});

// (What docs/migrating.md shows of a server is run against Magic's SDK: tests/magic/sdks.rs. The form of docs/serve.md is sent by
// real_application.test.mjs.)
test("the README shows all pictures, in light and dark, and none is heavy", async () => {
  const readme = await readFile(new URL("README.md", ROOT), "utf8");
  const pictures = (await readdir(new URL("docs/screenshots/", ROOT))).sort();
  assert.deepEqual(pictures, ["dark.png", "light.png", "sign-in-dark.png", "sign-in-light.png"]);
  for (const name of pictures) {
    assert.ok(readme.includes(`"docs/screenshots/${name}"`), name);
    const { length } = await readFile(new URL(`docs/screenshots/${name}`, ROOT));
    assert.ok(length < 60_000, `${name} has ${length} bytes: \`tests/browser/run screenshots\` with pngquant`);
  }
});

test("no other guide has JavaScript that nothing runs", async () => {
  const guides = (await readdir(new URL("docs/", ROOT))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  const found = [];
  for (const file of ["README.md", ...guides.sort()]) {
    const text = await readFile(new URL(file, ROOT), "utf8");
    const fences = [...text.matchAll(/^\s*```(js|javascript|jsx|ts|html)\b/gm)];
    if (fences.length) found.push([file, fences.length]);
  }
  assert.deepEqual(found, [["README.md", 1], ["docs/bound-login.md", 1], ["docs/local-development.md", 1], ["docs/migrating.md", 1], ["docs/mobile-client.md", 1], ["docs/serve.md", 2], ["docs/single-page-app.md", 1]]);
});
