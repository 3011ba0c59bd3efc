// Takes the README's pictures anew: `tests/browser/run screenshots`.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { click, newContext, open, signIn, startBrowser, startDemo } from "./support.mjs";

const [folder] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const [browser, demo] = await Promise.all([startBrowser(), startDemo()]);
for (const colorScheme of ["light", "dark"]) {
  const context = await newContext(browser, { colorScheme, viewport: { width: 1060, height: 800 } });
  const { page } = await open(context, demo.url);
  await signIn(page);
  await click(page, "Sign in on another device", "Another device is signed in");
  await click(page, "Replay the token", "Refused");
  await page.locator("tbody tr").nth(1).waitFor();
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
  await page.screenshot({ path: join(folder, `${colorScheme}.png`), fullPage: true });
  await context.close();
  // As large as a phone shows it.
  const phone = await newContext(browser, { colorScheme, viewport: { width: 390, height: 480 } });
  const visitor = await phone.newPage();
  await visitor.goto(`${demo.url}/auth/sign-in`);
  await visitor.waitForSelector("#page[data-ready]");
  await visitor.screenshot({ path: join(folder, `sign-in-${colorScheme}.png`) });
  await phone.close();
}
await browser.close();
await demo.stop();
