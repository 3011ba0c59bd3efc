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

// Whom the stand-in for Magic signed in last.
export const email = () => localStorage.getItem("stand-in for Magic: e-mail");

// A token of the same wallet that is made for no browser, as another device's.
export async function anotherToken() {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch("/stand-in/token", { method: "POST", headers, body: JSON.stringify({ email: email() }) });
  return (await answer.json()).token;
}

// As somebody does who has the token and nothing else.
export const withTokenAlone = (token) => send("POST", "/sign-in", { token, cookies: false });

export const call = () => send("GET", "/me");
export const signOutEverywhere = () => send("POST", "/sign-out-everywhere");
export const revoke = (handle) => send("POST", `/sessions/${handle}/sign-out`);
