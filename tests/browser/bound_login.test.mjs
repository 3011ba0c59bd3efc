// Two browsers: a token made for one of them, in the hands of the other.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { challenge, cookie, newContext, open, present, startBrowser, startDemo, status, token } from "./support.mjs";

let browser, demo;

before(async () => {
  [browser, demo] = await Promise.all([startBrowser(), startDemo()]);
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

test("a token made for one browser signs in there and nowhere else", async () => {
  const [owner, thief] = await Promise.all([newContext(browser), newContext(browser)]);
  const { page: own } = await open(owner, demo.url);
  const { page: other } = await open(thief, demo.url);
  const stolen = await token(own, await challenge(own));

  assert.equal(await present(other, stolen), 401, "without a challenge");
  await challenge(other);
  assert.equal(await present(other, stolen), 401, "with a challenge of the thief's own");
  assert.equal(await cookie(thief), undefined);

  assert.equal(await present(own, stolen), 200);
  assert.ok(await cookie(owner));
  assert.equal(await present(other, stolen), 401, "after its owner");
  assert.equal(await status(other, "/me"), 401);
  assert.equal(await status(own, "/me"), 200);
});

test("a token that is bound to no browser makes one session and opens doors elsewhere", async () => {
  const [owner, thief] = await Promise.all([newContext(browser), newContext(browser)]);
  const { page: own } = await open(owner, demo.url);
  const { page: other } = await open(thief, demo.url);
  const stolen = await token(own);
  assert.equal(await present(own, stolen), 200);
  assert.equal(await present(other, stolen, "/me"), 200, "this is what bound login is for");
  assert.equal(await present(other, stolen), 401, "a route that signs in gives a session or refuses");
  assert.equal(await cookie(thief), undefined, "but no session");
});

test("of two tabs that sign in at once both end up signed in", async () => {
  const context = await newContext(browser);
  const { page: first } = await open(context, demo.url);
  const { page: second } = await open(context, demo.url);
  const early = await token(first, await challenge(first));
  const late = await token(second, await challenge(second));
  assert.equal(await present(first, early), 401, "the later challenge took its place");
  assert.equal(await present(second, late), 200);
  assert.equal(await present(first, early), 200, "beside the session of the other tab");
  assert.equal(await status(first, "/me"), 200);
});
