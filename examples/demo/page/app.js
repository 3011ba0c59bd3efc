// What the page shows and does. Text goes in as text, never as HTML.

import * as api from "./api.js";

const LOGGED = 4;

// Left there by the stand-in for Magic.
const TOKEN = "stand-in for Magic: last token";

const at = (id) => document.getElementById(id);
const config = await api.config();
const token = sessionStorage.getItem(TOKEN);

// ---- what is shown -----------------------------------------------------------------

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const time = (seconds) => new Date(seconds * 1000).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });

// In development the server says why it refuses; see `with_debug_reasons`.
function tell(what, answer, good) {
  const reason = answer?.body?.error_description;
  const request = answer && element("span", { className: "request" },
    element("code", {}, `${answer.method} ${answer.path.replace(/[0-9a-f]{56}(?=\/)/, "…")} → `, element("b", {}, String(answer.status))),
    ...(reason ? [` ${reason}`] : []));
  at("log").prepend(element("li", { className: good ? "good" : "bad" }, what, ...(request ? [request] : [])));
  while (at("log").children.length > LOGGED) at("log").lastChild.remove();
  at("quiet").hidden = true;
}

async function show() {
  const session = await api.session();
  const list = session ? await api.sessions() : undefined;
  at("audience").textContent = config.audience;
  at("stand-in").hidden = !config.stand_in;
  at("status").textContent = session ? "You are signed in." : "You are not signed in.";
  at("somebody").hidden = !session;
  at("issuer").textContent = session?.issuer ?? "";
  at("expires").textContent = session ? time(session.expires_at) : "";
  at("no-sessions").hidden = Boolean(session);
  at("sessions").hidden = !session;
  at("rows").replaceChildren(...(list?.ok ? list.body.map(row) : []));
  at("sign-out-everywhere").disabled = !session;
  at("sign-in").hidden = Boolean(session);
  at("sign-out").hidden = !session;
  at("other-device").disabled = !session || !api.email();
  at("replay").disabled = !token;
  at("no-token").hidden = Boolean(token);
}

function row({ session, this_one, created_at, last_seen }) {
  const handle = session.slice(0, 8);
  const label = `Sign out session ${handle}${this_one ? ", this browser" : ""}`;
  const action = element("button", { type: "button", onclick: run(() => revoke(session)), ariaLabel: label }, "Sign out");
  const cell = (...children) => element("td", { role: "cell" }, ...children);
  return element("tr", { role: "row" },
    cell(element("code", { title: session }, `${handle}…`), ...(this_one ? [" ", element("span", { className: "here" }, "this browser")] : [])),
    cell(element("time", {}, time(created_at))),
    cell(element("time", {}, time(last_seen))),
    cell(action));
}

// ---- what is done ------------------------------------------------------------------

async function call() {
  const answer = await api.call();
  tell(answer.ok ? `The API knows you: ${answer.body.address}` : "The API knows nobody by this name: sign in first.", answer, answer.ok);
}

async function replay() {
  const answer = await api.withTokenAlone(token);
  const refused = !answer.ok;
  tell(refused
    ? "Refused: the token was made for another browser."
    : answer.body.session
      ? "A second session was made. That must not happen."
      : "No second session. But the token, bound to no browser, still opens doors until it expires.",
  answer, refused);
}

async function otherDevice() {
  const answer = await api.withTokenAlone(await api.anotherToken());
  tell(answer.ok ? "Another device is signed in: see the list." : "The other device was refused.", answer, answer.ok);
}

async function revoke(handle) {
  const answer = await api.revoke(handle);
  tell(answer.ok ? "That session has ended." : "That session could not be ended.", answer, answer.ok);
}

async function signOutEverywhere() {
  const answer = await api.signOutEverywhere();
  tell(answer.ok ? "Signed out on all devices. The cookie is gone, and the sessions with it." : "Could not sign out.", answer, answer.ok);
}

// Does something, then shows how things are. The button waits meanwhile, and keeps the focus.
function run(action) {
  return async (event) => {
    event.preventDefault();
    const button = event.submitter ?? event.currentTarget;
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    try {
      await action();
      await show();
    } catch (error) {
      tell(`That did not work: ${error.message}`, undefined, false);
    } finally {
      button.ariaBusy = null;
    }
    // What has the focus may have gone: it must not get lost.
    if (!button.isConnected || button.disabled) {
      (at("sign-in").hidden ? at("sign-out-everywhere") : at("sign-in")).focus();
    }
  };
}

at("call").onclick = run(call);
at("sign-out-everywhere").onclick = run(signOutEverywhere);
at("replay").onclick = run(replay);
at("other-device").onclick = run(otherDevice);

await show();
document.documentElement.dataset.ready = "";
