// Express with passport-magic and express-session, as their guides have it.
//
// node server.mjs <folder that holds node_modules> installed|current <client id>
//
// `installed` verifies with the SDK that passport-magic brings along, `current` with the
// current one handed to it. Prints its address; ends when its input does.

import { createRequire } from "node:module";

const [modules, sdk, clientId] = process.argv.slice(2);
const require = createRequire(modules + "/");
const express = require("express");
const session = require("express-session");
const passport = require("passport");
const { Strategy } = require("passport-magic");
const { Magic } = require("@magic-sdk/admin");

globalThis.fetch = () => {
  throw new Error("no network here");
};

const verify = (user, done) => done(null, user);
const magic = sdk === "current" && new Magic("not-a-secret", { clientId });
passport.use(magic ? new Strategy({ magicInstance: magic }, verify) : new Strategy(verify));
passport.serializeUser((user, done) => done(null, user.issuer));
passport.deserializeUser((issuer, done) => done(null, { issuer }));

const app = express();
app.use(session({ secret: "not a secret", resave: false, saveUninitialized: false }));
app.use(passport.initialize());
app.use(passport.session());
const hello = (_request, response) => response.send("hello\n");
app.get("/sign-in", passport.authenticate("magic"), hello);
app.get("/", (request, response, next) => {
  if (request.isAuthenticated()) next();
  else response.sendStatus(401);
}, hello);

const server = app.listen(0, "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
