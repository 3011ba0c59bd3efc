// The application for a team, from the first sign-in to administration.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { button, cookie, link, newContext, startBrowser } from "./support.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core"), "utf8");

let browser, folder, program, url;

before(async () => {
  browser = await startBrowser();
  folder = await mkdtemp(join(tmpdir(), "team-"));
  const env = { ...process.env, LISTEN: "127.0.0.1:0" };
  program = spawn(process.env.TEAM, { cwd: folder, env, stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  url = await new Promise((resolve, reject) => {
    program.stdout.on("data", (chunk) => {
      printed += chunk;
      const address = /^open (.*)\n/m.exec(printed)?.[1];
      if (address) resolve(address);
    });
    program.on("exit", (code) => reject(new Error(`the program ended with ${code}`)));
  });
});
after(async () => {
  await browser?.close();
  program?.kill();
  if (program) await once(program, "exit");
  if (folder) await rm(folder, { recursive: true });
});

async function arrive(email, { remember = false } = {}) {
  const context = await newContext(browser);
  const page = await context.newPage();
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(url);
  await page.waitForSelector("#page[data-ready]");
  await page.getByLabel("E-mail address").fill(email);
  if (remember) await page.getByLabel("Keep me signed in on this device").check();
  await button(page, "Continue").click();
  await page.getByRole("heading", { name: /^Hello/ }).waitFor();
  return { context, page, errors };
}

async function accessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes[0].html]), []);
}

test("a member takes a name, and an administrator ends their sessions", async () => {
  const ada = await arrive("ada@example.com");
  await ada.page.getByLabel("Your name").fill("Ada <Lovelace>");
  await button(ada.page, "Save").click();
  await ada.page.getByRole("heading", { name: "Hello, Ada <Lovelace>" }).waitFor();
  assert.equal(await link(ada.page, "Administration").count(), 0);
  await accessible(ada.page);
  assert.deepEqual(ada.errors, []);

  const admin = await arrive("admin@example.com");
  await link(admin.page, "Administration").click();
  const section = admin.page.locator("section").filter({ hasText: "Ada <Lovelace>" });
  await section.getByRole("button", { name: "End" }).waitFor();
  await accessible(admin.page);
  await section.getByRole("button", { name: "End" }).click();
  await section.waitFor({ state: "detached" });
  assert.deepEqual(admin.errors, []);

  await ada.page.reload();
  await ada.page.waitForURL((address) => address.pathname === "/auth/sign-in");
  await Promise.all([ada.context.close(), admin.context.close()]);
});

test("the box decides whether the cookie outlives the browser, and the administrator sees it", async () => {
  const passing = await arrive("grace@example.com");
  assert.equal((await cookie(passing.context)).expires, -1);
  const staying = await arrive("grace@example.com", { remember: true });
  const days = ((await cookie(staying.context)).expires - Date.now() / 1000) / 86400;
  assert.ok(days > 29 && days <= 30, `${days} days`);

  const admin = await arrive("admin@example.com");
  await admin.page.goto(`${url}/admin`);
  assert.equal(await admin.page.getByText("(remembered)").count(), 1);
  await Promise.all([passing, staying, admin].map(({ context }) => context.close()));
});
