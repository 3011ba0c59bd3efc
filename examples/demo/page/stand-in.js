// NOT MAGIC. A stand-in with the few methods of Magic's SDK that the sign-in page calls, so that the
// demo needs no account and no network. It checks nothing: the demo's own server signs, with a
// test wallet for whatever address is typed. Never serve it anywhere else.

(() => {
  const EMAIL = "stand-in for Magic: e-mail";
  const TOKEN = "stand-in for Magic: last token";
  const CODE = "123456";

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // In place of Magic's window, which asks for the code that it sent by mail.
  const askForCode = (email) =>
    new Promise((resolve, reject) => {
      const cancelled = Object.assign(new Error("cancelled"), { code: -10014 });
      const code = element("input", { id: "stand-in-code", inputMode: "numeric", autocomplete: "one-time-code", maxLength: 6 });
      const wrong = element("p", { id: "stand-in-wrong", role: "alert" });
      const cancel = element("button", { type: "button", textContent: "Cancel", onclick: () => dialog.close("cancel") });
      code.setAttribute("aria-describedby", "stand-in-wrong");
      const form = element("form", { method: "dialog" },
        element("h2", { id: "stand-in-title", textContent: "Stand-in for Magic" }),
        element("p", { textContent: `Magic would send a code to ${email}. Here it is always ${CODE}.` }),
        element("label", { htmlFor: "stand-in-code", textContent: "Code" }), code, wrong,
        element("button", { textContent: "Sign in" }), cancel);
      form.onsubmit = (event) => {
        event.preventDefault();
        if (code.value === CODE) dialog.close("right");
        else {
          wrong.textContent = "That code is not right.";
          code.focus();
        }
      };
      const dialog = element("dialog", { onclose: () => {
        dialog.remove();
        dialog.returnValue === "right" ? resolve() : reject(cancelled);
      } }, form);
      dialog.setAttribute("aria-labelledby", "stand-in-title");
      Object.assign(dialog.style, { maxWidth: "24rem", border: "0", borderRadius: ".75rem" });
      Object.assign(cancel.style, { marginTop: ".5rem", background: "transparent", color: "inherit", borderColor: "currentColor" });
      document.body.append(dialog);
      dialog.showModal();
    });

  window.Magic = class {
    preload = async () => {};

    auth = {
      loginWithEmailOTP: ({ email }) =>
        askForCode(email).then(() => {
          localStorage.setItem(EMAIL, email);
          return null; // Magic's makes a token here too; the page asks for one that is bound to it.
        }),
    };

    user = {
      isLoggedIn: async () => localStorage.getItem(EMAIL) !== null,
      generateIdToken: async ({ attachment } = {}) => {
        const body = JSON.stringify({ email: localStorage.getItem(EMAIL), attachment });
        const headers = { "Content-Type": "application/json" };
        const answer = await fetch("/stand-in/token", { method: "POST", headers, body });
        const { token } = await answer.json();
        // For "Be the thief": the demo's page replays it.
        sessionStorage.setItem(TOKEN, token);
        return token;
      },
      logout: async () => {
        localStorage.removeItem(EMAIL);
        return true;
      },
    };
  };
})();
