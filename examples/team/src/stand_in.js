// NOT MAGIC. The few methods of Magic's SDK that the sign-in page calls. It checks nothing: whoever
// types an address is that person. Served only where the application has no keys of Magic's.
(() => {
  const EMAIL = "stand-in for Magic: e-mail";
  const email = () => localStorage.getItem(EMAIL);

  window.Magic = class {
    preload = async () => {};

    auth = {
      loginWithEmailOTP: async ({ email }) => {
        localStorage.setItem(EMAIL, email);
        return null;
      },
    };

    user = {
      isLoggedIn: async () => email() !== null,
      generateIdToken: async ({ attachment = "none" } = {}) => {
        const body = new URLSearchParams({ email: email(), attachment });
        const answer = await fetch("/stand-in/token", { method: "POST", body });
        return answer.text();
      },
      logout: async () => {
        localStorage.removeItem(EMAIL);
        return true;
      },
    };
  };
})();
