// A running demo, a real browser, and what its console says.

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { once } from "node:events";

import { chromium } from "playwright-core";

// A container has no GPU, root has no sandbox, and nobody wants the browser's own traffic.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
  "--no-proxy-server",
];

const LAUNCH = { executablePath: process.env.CHROMIUM, args: FLAGS, headless: true };
const CONTEXT = { ignoreHTTPSErrors: true };

// With a profile folder of its own, fresh each time.
export const startBrowser = (...flags) => chromium.launch({ ...LAUNCH, args: [...FLAGS, ...flags] });

// With a profile folder that outlives the browser.
export const startBrowserWith = (folder) => chromium.launchPersistentContext(folder, { ...LAUNCH, ...CONTEXT });

// A browser window of its own: no cookie is shared with another.
export const newContext = (browser, options = {}) => browser.newContext({ ...CONTEXT, ...options });

// Starts the demo on a free port: `{ url, stop }`.
export async function startDemo(env = {}) {
  const clean = { ...process.env, ...env };
  const demo = spawn(process.env.DEMO, ["--port", "0"], { env: clean, stdio: ["ignore", "pipe", "inherit"] });
  // Read to its end: who prints into a closed pipe has an error.
  let printed = "";
  await new Promise((resolve) => {
    demo.stdout.on("data", (chunk) => {
      printed += chunk;
      if (printed.includes("# ---- to here")) resolve();
    });
    demo.stdout.on("end", resolve);
  });
  const url = /^URL=(.*)$/m.exec(printed)?.[1];
  if (!url) throw new Error(`the demo did not start: ${printed}`);
  const stop = async () => {
    demo.kill("SIGINT");
    await once(demo, "exit");
  };
  return { url, stop };
}

// A site of somebody else's, on another host name: serves this HTML.
export async function startForeignSite(html) {
  const server = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

// Opens the page and waits until it is ready. `errors` collects what the console complains
// about, exceptions, and whatever the content security policy stops.
export async function open(context, url) {
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  await page.waitForSelector("html[data-ready]");
  return { page, errors };
}

export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const link = (page, name) => page.getByRole("link", { name, exact: true });
export const newest = (page) => page.getByRole("log").getByRole("listitem").first();

// Clicks, and gives what the page then says.
export async function click(page, name, expected) {
  await button(page, name).click();
  const item = newest(page).filter({ hasText: expected });
  await item.waitFor();
  return item.innerText();
}

// An address that no other test has.
export const someone = () => `${randomUUID()}@example.com`;

// On the sign-in page, with the stand-in for Magic, and back to where the page was.
export async function signIn(page, email = someone()) {
  await page.goto(new URL("/auth/sign-in?rd=/", page.url()).href);
  await page.waitForSelector("#page[data-ready]");
  await page.getByLabel("E-mail address").fill(email);
  await button(page, "Continue").click();
  await page.getByLabel("Code").fill("123456");
  await button(page, "Sign in").click();
  await page.waitForURL((url) => url.pathname === "/");
  await page.waitForSelector("html[data-ready]");
}

// By the button of the page for it.
export async function signOut(page) {
  await page.goto(new URL("/auth/sign-out?rd=/", page.url()).href);
  await button(page, "Sign out").click();
  await page.waitForURL((url) => url.pathname === "/");
  await page.waitForSelector("html[data-ready]");
}

export async function cookie(context, name = "__Host-didt") {
  return (await context.cookies()).find((cookie) => cookie.name === name);
}

// A token of the test wallet of this address, as the stand-in for Magic gets it.
export const token = (page, attachment, email = "ada@example.com") =>
  page.evaluate(async (wanted) => {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/stand-in/token", { method: "POST", headers, body: JSON.stringify(wanted) });
    return (await answer.json()).token;
  }, { email, attachment });

export const challenge = (page) =>
  page.evaluate(async () => (await (await fetch("/challenge", { method: "POST" })).json()).challenge);

// The status of a request that presents a token: to sign in, or for another page.
export const present = (page, token, path = "/sign-in") =>
  page.evaluate(async ([token, path]) => {
    const headers = { Authorization: `Bearer ${token}` };
    const method = path === "/sign-in" ? "POST" : "GET";
    return (await fetch(path, { method, headers })).status;
  }, [token, path]);

// The status of a request of the page's own.
export const status = (page, path, method = "GET") =>
  page.evaluate(async ([path, method]) => (await fetch(path, { method })).status, [path, method]);
