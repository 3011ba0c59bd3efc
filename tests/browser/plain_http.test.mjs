// docs/local-development.md, tried: what Chromium does over plain HTTP, and the guide's configuration of
// Vite in front of the axum example.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { createServer } from "vite";

import { newContext, startBrowser } from "./support.mjs";

let browser, service, url, context, folder;

before(async () => {
  browser = await startBrowser("--host-resolver-rules=MAP devbox.lan 127.0.0.1");
  folder = await mkdtemp(join(tmpdir(), "tower-didt-vite-"));
  await writeFile(join(folder, "index.html"), "<h1>a page</h1>");
  service = spawn(process.env.AXUM, ["127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  for await (const chunk of service.stdout) {
    printed += chunk;
    if (printed.includes("/sign-in")) break;
  }
  [, url] = /listening on (\S+)/.exec(printed);
});
after(async () => {
  await browser?.close();
  service?.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  context = await newContext(browser);
});
afterEach(() => context.close());

// The guide's configuration; the example has its routes at the root, not below /api.
async function vite(change = {}) {
  const guide = await readFile(new URL("../../docs/local-development.md", import.meta.url), "utf8");
  const [, code] = /^```js\n(.*?)^```$/ms.exec(guide);
  const file = join(folder, `config-${Math.random()}.mjs`);
  await writeFile(file, code);
  const { default: config } = await import(file);
  const target = config.server.proxy["/api"];
  assert.equal(target, "http://127.0.0.1:3000", "the guide's service");
  const proxy = { "/api": { target: url, rewrite: (path) => path.replace("/api", ""), ...change } };
  const server = await createServer({ root: folder, configFile: false, logLevel: "silent", server: { port: 0, host: "localhost", proxy } });
  await server.listen();
  return { origin: `http://localhost:${server.httpServer.address().port}`, stop: () => server.close() };
}

async function mint() {
  const child = spawn(process.env.DIDT, ["mint", "--seed", "ada", "--audience", "did:magic:my-app"], { stdio: ["ignore", "pipe", "ignore"] });
  let printed = "";
  child.stdout.on("data", (chunk) => (printed += chunk));
  await once(child, "close");
  return printed.trim();
}

const signIn = (page, token) =>
  page.evaluate(async (token) => {
    const signedIn = await fetch("/api/sign-in", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
    return [signedIn.status, (await fetch("/api/me")).status];
  }, token);

test("behind Vite's proxy, with Host as it is, a page on localhost signs in", async () => {
  const { origin, stop } = await vite();
  const page = await context.newPage();
  await page.goto(origin);
  assert.deepEqual(await signIn(page, await mint()), [200, 200]);
  await stop();
});

test("with `changeOrigin` it depends on the browser", async () => {
  const [kept, changed] = [await vite(), await vite({ changeOrigin: true })];
  const page = await context.newPage();
  await page.goto(changed.origin);
  assert.deepEqual(await signIn(page, await mint()), [200, 200], "Sec-Fetch-Site says that it is one origin");
  // Without that header, as browsers send none over plain HTTP from another host, nor old ones.
  const token = await mint();
  const statuses = await Promise.all([changed, kept].map(async ({ origin }) => {
    const answer = await context.request.post(`${origin}/api/sign-in`, { headers: { Origin: origin, Authorization: `Bearer ${token}` } });
    return answer.status();
  }));
  assert.deepEqual(statuses, [403, 200]);
  await Promise.all([changed.stop(), kept.stop()]);
});

test("plain http keeps the cookie on this machine only", async () => {
  const { port } = new URL(url);
  for (const [host, then] of [["localhost", 200], ["127.0.0.1", 200], ["devbox.lan", 401]]) {
    const page = await context.newPage();
    await page.goto(`http://${host}:${port}/`);
    const statuses = await page.evaluate(async (token) => {
      const signedIn = await fetch("/sign-in", { method: "POST", headers: { Authorization: `Bearer ${token}` } });
      return [signedIn.status, (await fetch("/me")).status];
    }, await mint());
    assert.deepEqual(statuses, [200, then], host);
  }
});
