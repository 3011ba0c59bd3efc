// The server's routes. An answer is its status and what its JSON says.

async function send(method, path, { token, cookies = true } = {}) {
  const response = await fetch(path, {
    method,
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    credentials: cookies ? "same-origin" : "omit",
    cache: "no-store",
  });
  const isJson = response.headers.get("content-type")?.startsWith("application/json");
  const body = isJson ? await response.json() : await response.text();
  return { method, path, status: response.status, ok: response.ok, body };
}

export const config = async () => (await send("GET", "/page/config.json")).body;

// The session of this browser, or null.
export const session = async () => (await send("GET", "/session")).body;

// This issuer's sessions.
export const sessions = () => send("GET", "/sessions");

// What the token's attachment must be; the cookie that belongs to it is none of our business.
export const challenge = async () => (await send("POST", "/challenge")).body.challenge;

// A request with a token signs in: any route would do.
export const signIn = (token) => send("POST", "/sign-in", { token });

// As somebody does who has the token and nothing else.
export const withTokenAlone = (token) => send("POST", "/sign-in", { token, cookies: false });

export const call = () => send("GET", "/me");
export const signOut = () => send("POST", "/sign-out");
export const signOutEverywhere = () => send("POST", "/sign-out-everywhere");
export const revoke = (handle) => send("POST", `/sessions/${handle}/sign-out`);
