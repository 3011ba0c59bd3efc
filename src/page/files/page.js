// The sign-in page. It has no words of its own: what it says is in the page's template.
"use strict";
(() => {
  const SDK_LIMIT = 10000; // Magic's frame sets no time limit: blocked, it never answers.
  const SILENT_LIMIT = 3000;
  const STATE_LIFE = 3600000; // A magic link is good for less.
  const SECOND = 1000;
  const POLL = 3000;
  const POLLS = 400;
  const STATE = "didt.way-back";
  const SIGNED_OUT = "didt.signed-out";

  const at = (id) => document.getElementById(id);
  const page = at("page");
  const config = page.dataset;
  const said = at("said").content;
  const query = new URLSearchParams(location.search);
  // Said twice it is not said, as on the server.
  const back = query.getAll("rd").length === 1 ? query.get("rd") : null;

  // ---- what is shown ----

  const words = (key) => (said.querySelector(`[data-key="${key}"]`) ?? said.querySelector('[data-key="unknown"]')).textContent;
  const ways = [...document.querySelectorAll("[data-way]")];
  let busy = false;
  let retry = () => location.reload();

  function setBusy(on) {
    busy = on;
    for (const button of document.querySelectorAll("form button, [data-provider], [data-way]")) {
      if (on) button.setAttribute("aria-disabled", "true");
      else button.removeAttribute("aria-disabled");
    }
  }

  function say(key) {
    at("fault").textContent = "";
    for (const way of ways) way.hidden = true;
    at("status").textContent = key ? words(key) : "";
  }

  function complain(key) {
    at("status").textContent = "";
    at("fault").textContent = words(key);
    const offered = WAYS[key] ?? ["start_again"];
    for (const way of ways) way.hidden = !offered.includes(way.dataset.way);
    page.dataset.fault = key;
    at("fault").focus();
  }

  class Fault extends Error {
    constructor(key) {
      super(key);
      this.key = key;
    }
  }

  // How to go on after a fault; the form is there in any case.
  const WAYS = {
    email_missing: [], insecure: [], not_listed: [], wrong_code: ["start_again"],
    throttled: ["retry"], unreachable: ["retry"], script: ["retry"], server: ["retry"], unavailable: ["retry"],
    clock: ["retry"], no_cookie: ["retry"],
    denied: ["other_account"], refused: ["other_account"],
  };

  // The numbers of `@magic-sdk/types`, and the words of the OAuth extension.
  const CODES = {
    "-10000": "link_expired", "-10001": config.view === "callback" ? "link_expired" : "expired_code",
    "-10002": "throttled", "-10031": "throttled", "-10035": "throttled",
    "-10006": "not_listed", "-10010": "undeliverable", "-10011": "denied", "-10012": "cancelled", "-10014": "cancelled",
    access_denied: "cancelled", MISSING_PKCE_METADATA: "link_elsewhere", STATE_MISMATCH: "link_elsewhere",
  };

  const keyOf = (error) => {
    if (error instanceof Fault) return error.key;
    if (CODES[error?.code]) return CODES[error.code];
    return config.view === "callback" && typeof error?.code === "string" ? "provider_failed" : "unknown";
  };

  // Does one thing at a time, and says how it went.
  async function run(action) {
    if (busy) return;
    retry = () => run(action);
    if (keepsNothing()) return complain("no_cookie");
    setBusy(true);
    try {
      await action();
    } catch (error) {
      if (keyOf(error) === "unknown") console.warn("sign-in:", error?.code ?? error?.name);
      complain(keyOf(error));
    } finally {
      setBusy(false);
    }
  }

  // ---- what is remembered in this browser ----

  const stores = () => [sessionStorage, localStorage];

  // Whether the box is ticked, where there is one.
  const stays = () => at("remember")?.checked === true;

  // Chromium says that cookies are enabled where the person has blocked them, and throws on storage.
  function keepsNothing() {
    try {
      return !navigator.cookieEnabled || stores().includes(null);
    } catch {
      return true;
    }
  }

  // What was asked for: the way back, whether to stay, and the e-mail address of a link or the provider.
  function remember(asked) {
    const state = JSON.stringify({ ...asked, rd: back, stay: stays(), until: Date.now() + STATE_LIFE });
    try {
      for (const store of stores()) store.setItem(STATE, state);
    } catch {
      throw new Fault("no_cookie");
    }
  }

  // This tab's own, or else what another tab of this browser has left; only once.
  function recall() {
    let found = null;
    for (const store of stores()) {
      try {
        const state = JSON.parse(store.getItem(STATE));
        if (!found && state?.until > Date.now()) found = state;
      } catch { /* not ours */ }
      store.removeItem(STATE);
    }
    return found;
  }

  const signedOut = {
    get: () => { try { return localStorage.getItem(SIGNED_OUT); } catch { return null; } },
    set: (on) => { try { on ? localStorage.setItem(SIGNED_OUT, "1") : localStorage.removeItem(SIGNED_OUT); } catch { /* no storage */ } },
  };

  // ---- Magic ----

  const within = (promise, limit, fault) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Fault(fault)), limit);
      Promise.resolve(promise).then(resolve, reject).finally(() => clearTimeout(timer));
    });

  const load = (src, integrity) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      if (integrity) {
        script.integrity = integrity;
        script.crossOrigin = "anonymous";
      }
      script.src = src;
      script.onload = resolve;
      script.onerror = () => reject(new Fault("script"));
      document.head.append(script);
    });

  let connecting;

  // Loads the scripts and waits for the frame; after a failure, from the start.
  function connect() {
    connecting ??= (async () => {
      await within(load(config.magic, config.magicIntegrity), SDK_LIMIT, "script");
      if (config.oauth) await within(load(config.oauth, config.oauthIntegrity), SDK_LIMIT, "script");
      const extensions = config.oauth ? [new window.MagicOAuthExtension()] : [];
      const magic = new window.Magic(config.key, { endpoint: config.endpoint, locale: config.locale, extensions });
      await within(magic.preload(), SDK_LIMIT, "unreachable");
      return magic;
    })();
    const attempt = connecting;
    attempt.catch(() => {
      if (connecting === attempt) connecting = undefined;
      for (const frame of document.querySelectorAll("iframe.magic-iframe")) frame.remove();
    });
    return attempt;
  }

  // A login of Magic's, which does not always end when its window is closed.
  const login = (handle) =>
    new Promise((resolve, reject) => {
      handle.on?.("closed-by-user", () => reject(new Fault("cancelled")));
      // Magic's window has the focus, and keeps it.
      handle.on?.("invalid-email-otp", () => say("wrong_code"));
      handle.on?.("expired-email-otp", () => say("expired_code"));
      handle.on?.("max-attempts-reached", () => reject(new Fault("throttled")));
      handle.on?.("login-throttled", () => reject(new Fault("throttled")));
      handle.on?.("email-not-deliverable", () => reject(new Fault("undeliverable")));
      handle.then(resolve, reject);
    });

  // ---- our server ----

  async function ask(method, path, headers = {}) {
    let answer;
    try {
      answer = await fetch(path, { method, cache: "no-store", headers: { Accept: "application/json", ...headers } });
    } catch {
      throw new Fault("server");
    }
    const body = await answer.json().catch(() => ({}));
    return { status: answer.status, ok: answer.ok, ...body };
  }

  async function isSignedIn() {
    const answer = await ask("GET", "signed-in");
    if (answer.status >= 500) throw new Fault("unavailable");
    return answer.signed_in === true;
  }

  // Once Magic's login is through it is not asked for again, however often the rest is tried.
  let loggedIn;

  async function newToken(magic) {
    if (config.bound === undefined) return magic.user.generateIdToken();
    const { challenge } = await ask("POST", "challenge");
    if (!challenge) throw new Fault("unavailable");
    return magic.user.generateIdToken({ attachment: challenge });
  }

  // Exchanges Magic's session for ours at once: nothing depends on Magic's storage later.
  async function finish(magic, rd, stay) {
    loggedIn = () => finish(magic, rd, stay);
    say("finishing");
    for (let first = true; ; first = false) {
      const token = await newToken(magic);
      const answer = await ask("POST", "sign-in", {
        Authorization: `Bearer ${token}`,
        ...(stay && { "Didt-Remember": "yes" }),
      });
      if (answer.ok) break;
      // Another tab may have taken the challenge's place, or a sign-out everywhere was in this very
      // second, which is as exactly as a token tells its time.
      if (first && answer.status === 401) {
        await new Promise((resolve) => setTimeout(resolve, SECOND));
        continue;
      }
      if (answer.status === 403 && answer.reason === undefined) throw new Fault("refused");
      if (answer.status === 429) throw new Fault("throttled");
      if (answer.status >= 500) throw new Fault("unavailable");
      throw new Fault(answer.reason ?? "not_accepted");
    }
    if (!(await isSignedIn())) throw new Fault("no_cookie");
    // Who is not to stay signed in here is asked again, whatever Magic's frame still knows.
    signedOut.set(config.remember !== undefined && !stay);
    goOn(rd);
  }

  // The server checks the way back, and sends on who is signed in.
  function goOn(rd) {
    const url = new URL("sign-in", location.href);
    if (rd) url.searchParams.set("rd", rd);
    location.replace(url);
  }

  async function leaveMagic() {
    signedOut.set(true);
    try {
      const magic = await connect();
      await within(magic.user.logout(), SILENT_LIMIT, "unreachable");
    } catch { /* the session here has ended; what Magic keeps is not used again silently */ }
  }

  // ---- the pages ----

  async function withEmail() {
    const email = at("email").value.trim();
    if (!/^[^@\s]+@[^@\s]+$/.test(email)) {
      at("email").setAttribute("aria-invalid", "true");
      complain("email_missing");
      at("email").focus();
      return;
    }
    at("email").removeAttribute("aria-invalid");
    say("connecting");
    loggedIn = undefined;
    const magic = await connect();
    if (config.links !== undefined) {
      remember({ email });
      say("link");
      const arrived = elsewhere();
      const redirectURI = new URL("callback", location.href).href;
      await Promise.race([login(magic.auth.loginWithMagicLink({ email, redirectURI, showUI: false })), arrived]);
    } else {
      say("code");
      const start = (magic) => login(magic.auth.loginWithEmailOTP({ email, showUI: true }));
      await start(magic).catch((error) => {
        // Somebody is logged in at Magic, and it may be somebody else: the address that was typed counts.
        if (error?.code === -10003) return within(magic.user.logout(), SDK_LIMIT, "unreachable").then(() => start(magic));
        if (error?.code === -10019) return start(magic); // the SDK has just thrown its old keys away
        throw error;
      });
    }
    await finish(magic, back, stays());
  }

  let timer;

  // Resolves never: goes on where the link has signed in another tab.
  function elsewhere() {
    let left = POLLS;
    clearInterval(timer);
    timer = setInterval(async () => {
      if (--left < 0) return clearInterval(timer);
      if (await isSignedIn().catch(() => false)) {
        clearInterval(timer);
        goOn(back);
      }
    }, POLL);
    return new Promise(() => {});
  }

  async function withProvider(provider) {
    say("connecting");
    const magic = await connect();
    remember({ provider });
    say("leaving");
    await magic.oauth2.loginWithRedirect({ provider, redirectURI: new URL("callback", location.href).href });
  }

  // Who has a living session at Magic, and did not sign out here, signs in without typing.
  async function silently() {
    if (signedOut.get() || query.has("again")) return void connect().catch(() => {});
    let magic;
    try {
      magic = await connect();
      if (!(await within(magic.user.isLoggedIn(), SILENT_LIMIT, "unreachable"))) return;
    } catch {
      return; // said when it is needed
    }
    await run(() => finish(magic, back, stays()));
  }

  let state;

  async function callback() {
    state ??= recall();
    const has = (name) => query.has(name);
    const rd = state?.rd;
    if (!has("magic_credential") && !has("state") && !has("error")) return goOn(rd);
    say("finishing");
    const link = has("magic_credential");
    // Whoever did not ask for it here is not signed in here: the link may be somebody else's.
    if (!(link ? state?.email : state?.provider)) throw new Fault("link_elsewhere");
    const magic = await connect();
    if (!link) {
      await login(magic.oauth2.getRedirectResult());
      return finish(magic, rd, state.stay === true);
    }
    await login(magic.auth.loginWithCredential());
    await withLink(magic, rd);
  }

  // A link opens the account of whoever asked for it, which somebody may have sent to a person who waits
  // for one of their own.
  async function withLink(magic, rd) {
    loggedIn = () => withLink(magic, rd);
    const { email } = await within(magic.user.getInfo(), SDK_LIMIT, "unreachable");
    if (email?.toLowerCase() !== state.email.toLowerCase()) {
      loggedIn = undefined;
      await leaveMagic();
      throw new Fault("link_elsewhere");
    }
    await finish(magic, rd, state.stay === true);
  }

  // Ends the session here.
  async function ended(url) {
    const answer = await ask("POST", url);
    if (!answer.ok) throw new Fault(answer.status >= 500 ? "unavailable" : (answer.reason ?? "unknown"));
    return answer;
  }

  async function signOut() {
    say("signing_out");
    const answer = await ended(location.href);
    await leaveMagic();
    say("signed_out");
    location.replace(answer.location);
  }

  async function otherAccount() {
    say("signing_out");
    // Where the page was not entered without a session, that one ends too.
    if (config.view === "refused") await ended("sign-out");
    await leaveMagic();
    if (config.view === "refused") return goOn(back);
    startAgain();
  }

  function startAgain() {
    loggedIn = undefined;
    if (config.view !== "sign-in") return goOn(state?.rd);
    say("");
    at("email")?.focus();
  }

  document.addEventListener("click", (event) => {
    const { way, provider } = event.target.closest?.("button")?.dataset ?? {};
    if (provider) run(() => withProvider(provider));
    if (busy) return;
    if (way === "retry") loggedIn ? run(loggedIn) : retry();
    if (way === "other_account") run(otherAccount);
    if (way === "start_again") startAgain();
  });

  const on = (id, action) => at(id)?.addEventListener("submit", (event) => {
    event.preventDefault();
    run(action);
  });
  on("email-form", withEmail);
  on("sign-out", signOut);
  on("refused", otherAccount);

  // Another tab may have signed in meanwhile; and the back button brings old pages to life.
  async function look() {
    if (config.view !== "sign-in" || document.hidden || busy || query.has("again")) return;
    if (await isSignedIn().catch(() => false)) goOn(back);
  }
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pageshow", (event) => { if (event.persisted) look(); });

  if (!window.isSecureContext) complain("insecure");
  else if (keepsNothing()) complain("no_cookie");
  else if (config.view === "callback") run(callback);
  else if (config.view === "sign-in") silently();
  page.dataset.ready = "";
})();
