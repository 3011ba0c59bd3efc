// Magic's real login. Its script is loaded only where the server was given a publishable key.

// One version, whose digest the browser checks: a page that signs users in runs nothing else.
const SCRIPT = "https://cdn.jsdelivr.net/npm/magic-sdk@33.13.0/dist/magic.js";
const INTEGRITY = "sha384-jYoYWKrywj9La074Nulf9jkjNsHb4zFV8jY0J0M4MLsb9toUSyh+GIBfiUMy1adx";

let magic;

// Signs in at Magic; `challenge()` is asked for right before the token is made.
export async function magicToken(publishableKey, email, challenge) {
  magic ??= new (await load())(publishableKey);
  if (!(await magic.user.isLoggedIn())) await magic.auth.loginWithEmailOTP({ email });
  return magic.user.generateIdToken({ attachment: await challenge() });
}

function load() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = SCRIPT;
    script.integrity = INTEGRITY;
    script.crossOrigin = "anonymous";
    script.onload = () => resolve(window.Magic);
    script.onerror = () => reject(new Error("Magic's script cannot be loaded"));
    document.head.append(script);
  });
}
