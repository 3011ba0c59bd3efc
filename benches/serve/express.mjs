// What a Node user would write in the place of `didt serve`: Express with express-session, its sessions in Redis.
//
// node express.mjs <folder that holds node_modules> <port> <port of Redis>
//
// POST /login makes a session (of anybody: signing in is not what is measured); everything else answers
// a gateway. Ends when its input does.

import { createRequire } from "node:module";

const [modules, port, redis] = process.argv.slice(2);
const require = createRequire(modules + "/");
const express = require("express");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { createClient } = require("redis");

const client = createClient({ url: `redis://127.0.0.1:${redis}` });
await client.connect();

const app = express();
app.use(session({
  store: new RedisStore({ client }),
  secret: "not a secret",
  resave: false,
  saveUninitialized: false,
}));
app.post("/login", (request, response) => {
  request.session.issuer = "did:ethr:0xde709f2102306220921060314715629080e2fb77";
  response.sendStatus(204);
});
app.use((request, response) => {
  const { issuer } = request.session;
  if (issuer) response.set("X-Auth-Issuer", issuer).status(200).end();
  else response.sendStatus(401);
});
app.listen(Number(port), "127.0.0.1");
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
