// What stands in for Magic's site in these tests: its SDK is the real one, from npm; the frame that the SDK opens
// answers as a test wants.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const { resolve } = createRequire(import.meta.url);
export const beside = async (name, file) => readFile(resolve(name).replace(/dist.*$/, file));
// The file of Magic's script.
export const resolveSdk = () => resolve("magic-sdk").replace(/dist.*$/, "dist/magic.js");
export const SDK = await beside("magic-sdk", "dist/magic.js");
export const OAUTH = await beside("@magic-ext/oauth2", "dist/extension.js");
export const AXE = await readFile(resolve("axe-core"), "utf8");
export const CDN = "https://cdn.jsdelivr.net/**";
export const SITE = "https://auth.magic.link/**";

// Speaks with the SDK as Magic's own page does. `window.plan` says what each method answers: a value, an
// error's number, or an event.
export const FRAME = (plan) => `<!doctype html><title>Magic's frame</title><script>
  const plan = ${JSON.stringify(plan)};
  const parameters = new URL(location).searchParams.get("params");
  const say = (msgType, response) => parent.postMessage({ msgType: msgType + "-" + parameters, response }, "*");
  const times = {};
  const answers = {
    magic_is_logged_in: async () => await window.account() !== null,
    magic_auth_is_logged_in: async () => await window.account() !== null,
    magic_auth_login_with_email_otp: async ([{ email }]) => { if (await window.account() !== null) throw -10003; await window.account(email); return "a token that nobody asked for"; },
    magic_auth_login_with_magic_link: () => new Promise(() => {}),
    magic_auth_login_with_credential: async () => { await window.account(plan.email); return "a token that nobody asked for"; },
    magic_oauth_login_with_redirect_start: ([{ provider, redirectURI, cryptoChallengeState }]) => ({
      oauthAuthoriationURI: "https://provider.example/?to=" + encodeURIComponent(redirectURI + "?code=abc&state=" + encodeURIComponent(cryptoChallengeState)),
      pkceMetadata: { provider, redirectURI, state: cryptoChallengeState },
    }),
    magic_oauth_login_with_redirect_verify: async () => { await window.account(plan.email); return { oauth: {}, magic: { idToken: "x" } }; },
    magic_get_info: async () => ({ issuer: null, email: await window.account() }),
    magic_auth_generate_id_token: ([{ attachment } = {}]) => window.mint(attachment ?? null),
    magic_auth_logout: async () => { await window.account(""); return true; },
  };
  addEventListener("message", async ({ data: { msgType, payload } }) => {
    if (!msgType?.startsWith("MAGIC_HANDLE_REQUEST")) return;
    window.asked(payload.method, payload.params);
    const at = times[payload.method] = (times[payload.method] ?? 0) + 1;
    const planned = [plan[payload.method] ?? []].flat()[at - 1];
    const respond = (rest) => say("MAGIC_HANDLE_RESPONSE", { jsonrpc: "2.0", id: payload.id, ...rest });
    if (typeof planned === "number") return respond({ error: { code: planned, message: "as planned" } });
    if (typeof planned === "string") return say("MAGIC_HANDLE_EVENT", { id: payload.id, result: { event: planned, params: [] } });
    const answer = answers[payload.method];
    if (!answer) return respond({ error: { code: -32601, message: "no such method" } });
    try {
      respond({ result: await answer(payload.params ?? []) });
    } catch (code) {
      respond({ error: { code, message: "as Magic would" } });
    }
  });
  say("MAGIC_OVERLAY_READY");
</script>`;

// Answers for Magic's hosts in this window. `asked` is called with each request of the SDK to the frame, `mint` for each
// token with the account and the attachment. Returns who is signed in at Magic: `account.now`.
export async function standInForMagic(context, { plan = {}, sdk = SDK, frame = true, asked = () => {}, mint }) {
  const script = (body) => (route) => route.fulfill({ body, contentType: "text/javascript", headers: { "Access-Control-Allow-Origin": "*" } });
  await context.route(CDN, (route) => script(/oauth2/.test(route.request().url()) ? OAUTH : sdk)(route));
  await context.route(SITE, (route) => frame ? route.fulfill({ body: FRAME(plan), contentType: "text/html" }) : route.abort());
  await context.exposeFunction("asked", (method, parameters) => asked(method, parameters?.[0]));
  // The frame's own storage is a third party's, and may be blocked.
  const account = { now: null };
  await context.exposeFunction("account", (change) => {
    if (change !== undefined) account.now = change || null;
    return account.now;
  });
  await context.exposeFunction("mint", (attachment) => mint(account.now, attachment));
  return account;
}
