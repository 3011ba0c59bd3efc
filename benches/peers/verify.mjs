// Verifies the tokens of a file whenever it is told to, by Magic's own SDK for Node.
//
// node verify.mjs <folder that holds node_modules> <SDK's folder in it> <client id> <file>
//
// Reads a number of milliseconds from each line of its input; verifies for as long, and
// says how many tokens. Nothing goes over the network: the client id is given, and `fetch`
// is taken away.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, sdk, clientId, file] = process.argv.slice(2);

globalThis.fetch = () => {
  throw new Error("no network here");
};

const require = createRequire(modules + "/");
const { Magic } = require(`${modules}/node_modules/${sdk}`);
const { token } = new Magic("not-a-secret", { clientId });
const tokens = readFileSync(file, "utf8").trimEnd().split("\n");

let next = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const begin = performance.now();
  let count = 0;
  while (performance.now() - begin < Number(line)) {
    token.validate(tokens[next++ % tokens.length]);
    count += 1;
  }
  console.log(count);
}
