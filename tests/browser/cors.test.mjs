// Pages of other origins and `didt serve`, in a real browser: what a listed origin can do and read, and
// that no other can. Also behind nginx, with its sample configuration, where denials are nginx' own pages.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { newContext, startBrowser } from "./support.mjs";

const AUDIENCE = "did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba";
const SAMPLES = new URL("../../examples/gateways/nginx/", import.meta.url);
const NGINX = await Promise.any(
  [...(process.env.PATH ?? "").split(":"), "/usr/sbin"].map(async (folder) => {
    await access(join(folder, "nginx"));
    return join(folder, "nginx");
  }),
).catch(() => undefined);

let browser, folder, own, listed, unlisted, gateway;
const running = [];

// Pages on one host and different ports are of one site and of different origins, so cookies go along.
before(async () => {
  browser = await startBrowser();
  folder = await mkdtemp(join(tmpdir(), "tower-didt-cors-"));
  [listed, unlisted] = await Promise.all([site(), site()]);
  const [didtPort, privatePort, gatewayPort, echoPort] = await Promise.all([port(), port(), port(), port()]);
  own = `http://localhost:${didtPort}`;
  gateway = `http://localhost:${gatewayPort}`;
  const ports = { 8080: gatewayPort, 9480: didtPort, 9481: privatePort, 3000: echoPort };
  for (const name of ["nginx.conf", "didt.conf", "didt.toml"]) {
    let text = await readFile(new URL(name, SAMPLES), "utf8");
    text = text.replace(/(127\.0\.0\.1:)(\d+)/g, (all, host, from) => (ports[from] ? host + ports[from] : all));
    if (name === "didt.toml") {
      text = text.replace(/^addresses = .*$/m, `admit = "any_key"\ntrusted_origins = ["${listed.origin}"]`);
    }
    await writeFile(join(folder, name), text);
  }
  start(process.env.DIDT, ["serve", "--config", "didt.toml"]);
  start(process.env.DIDT, ["echo", "--listen", `127.0.0.1:${echoPort}`]);
  const started = [didtPort, echoPort];
  if (NGINX) {
    start(NGINX, ["-p", folder, "-c", join(folder, "nginx.conf"), "-g", "master_process off;"]);
    started.push(gatewayPort);
  }
  await Promise.all(started.map(listens));
});

after(async () => {
  await browser?.close();
  for (const child of running) {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  await Promise.all([listed, unlisted].map((each) => each?.stop()));
  await rm(folder, { recursive: true, force: true });
});

function start(program, args) {
  const child = spawn(program, args, { cwd: folder, stdio: "ignore" });
  running.push(child);
}

async function port() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function listens(port) {
  for (let left = 200; left > 0; left -= 1) {
    const socket = connect(port, "127.0.0.1");
    const open = await new Promise((done) => socket.on("connect", () => done(true)).on("error", () => done(false)));
    socket.destroy();
    if (open) return;
    await new Promise((wait) => setTimeout(wait, 50));
  }
  throw new Error(`nothing listens on ${port}`);
}

async function site() {
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end("<h1>a page</h1>"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { origin: `http://localhost:${server.address().port}`, stop: () => new Promise((done) => server.close(done)) };
}

async function token() {
  const child = spawn(process.env.DIDT, ["mint", "--seed", "alice", "--audience", AUDIENCE], { stdio: ["ignore", "pipe", "ignore"] });
  let printed = "";
  child.stdout.on("data", (chunk) => (printed += chunk));
  await once(child, "close");
  return printed.trim();
}

async function pageOf({ origin }) {
  const context = await newContext(browser);
  const page = await context.newPage();
  await page.goto(origin);
  return { context, page };
}

// What a script sees of an answer: nothing (`null`) where the browser keeps it from it.
const ask = (page, url, options = {}) =>
  page.evaluate(async ([url, options]) => {
    try {
      const answer = await fetch(url, { credentials: "include", ...options });
      const text = await answer.text();
      const [reason, challenge] = ["x-auth-reason", "www-authenticate"].map((name) => answer.headers.get(name));
      return { status: answer.status, text, reason, challenge };
    } catch {
      return null;
    }
  }, [url, options]);

const bearer = (token) => ({ headers: { Authorization: `Bearer ${token}` } });

// `/auth/*` directly and through the gateway.
const servers = () => (NGINX ? [own, gateway] : [own]);

test("a page of a listed origin signs in, is known, and signs out", async () => {
  for (const server of servers()) {
    const { context, page } = await pageOf(listed);
    const used = await token();
    assert.equal((await ask(page, `${server}/auth/session`)).status, 401);
    assert.equal((await ask(page, `${server}/auth/login`, { method: "POST", ...bearer(used) })).status, 204, server);
    assert.equal((await context.cookies(server)).length, 1, "with credentials");
    const session = await ask(page, `${server}/auth/session`);
    assert.equal(session.status, 200);
    const { session: handle } = JSON.parse(session.text);
    const again = await ask(page, `${server}/auth/login`, { method: "POST", credentials: "omit", ...bearer(used) });
    assert.deepEqual([again.status, again.reason], [401, "token_used"], "and reads why not");
    assert.match(again.challenge, /Bearer/);
    // DELETE takes a preflight.
    assert.equal((await ask(page, `${server}/auth/sessions/${handle}`, { method: "DELETE" })).status, 204);
    assert.equal((await ask(page, `${server}/auth/session`)).status, 401);
    assert.equal((await ask(page, `${server}/auth/logout`, { method: "POST" })).status, 204);
    await context.close();
  }
});

test("a page of another origin can neither sign in nor read anything", async () => {
  for (const server of servers()) {
    const { context, page } = await pageOf(unlisted);
    assert.equal(await ask(page, `${server}/auth/login`, { method: "POST", ...bearer(await token()) }), null);
    assert.equal(await ask(page, `${server}/auth/session`), null);
    // Without a preflight it is sent, refused, and its answer is hidden.
    assert.equal(await ask(page, `${server}/auth/logout`, { method: "POST" }), null);
    assert.deepEqual(await context.cookies(server), []);
    await context.close();
  }
});

test("signing out from another origin ends nothing", async () => {
  const { context, page } = await pageOf(listed);
  await ask(page, `${own}/auth/login`, { method: "POST", ...bearer(await token()) });
  const foreign = await context.newPage();
  await foreign.goto(unlisted.origin);
  assert.equal(await ask(foreign, `${own}/auth/logout`, { method: "POST" }), null);
  assert.equal((await ask(page, `${own}/auth/session`)).status, 200, "the cookie went along, and was not enough");
  await context.close();
});

test("denials of guarded routes can be read by listed origins only", { skip: !NGINX && "no nginx" }, async () => {
  const { context, page } = await pageOf(listed);
  const denied = await ask(page, `${gateway}/orders`);
  assert.equal(denied.status, 401);
  assert.match(denied.challenge, /Bearer/);
  // A cookie that opens nothing is taken away, and the denial can be read all the same.
  await ask(page, `${gateway}/auth/login`, { method: "POST", ...bearer(await token()) });
  const [{ name, value }] = await context.cookies(gateway);
  const ended = await fetch(`${gateway}/auth/logout`, { method: "POST", headers: { Cookie: `${name}=${value}` } });
  assert.equal(ended.status, 204, "signed out elsewhere");
  assert.equal((await ask(page, `${gateway}/orders`)).status, 401);
  assert.deepEqual(await context.cookies(gateway), []);
  await context.close();
  const { context: other, page: foreign } = await pageOf(unlisted);
  assert.equal(await ask(foreign, `${gateway}/orders`), null);
  await other.close();
});
