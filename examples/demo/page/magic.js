// Magic's real login. Its script is loaded only where the server was given a publishable key.

const SCRIPT = "https://auth.magic.link/sdk";

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
    script.onload = () => resolve(window.Magic);
    script.onerror = () => reject(new Error("Magic's script cannot be loaded"));
    document.head.append(script);
  });
}
