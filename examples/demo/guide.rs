//! What to do with the demo: printed at start, and served at `/`.

use std::path::Path;

pub(crate) struct Guide {
    url: String,
    certificate: String,
    audience: String,
}

impl Guide {
    pub(crate) fn new(port: u16, certificate: &Path, audience: &str) -> Self {
        Self {
            url: format!("https://localhost:{port}"),
            certificate: certificate.display().to_string(),
            audience: audience.to_owned(),
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> String {
        let Self { url, certificate, audience } = self;
        let commands = self.commands();
        format!(
            "\
tower-didt demo on {url}   (Ctrl-C stops it)

It accepts tokens made for {audience}. Here is one, signed by a TEST wallet
and not by Magic. It makes one session and is valid for 15 minutes:

{token}

A fresh one: restart, or
curl -sS --cacert '{certificate}' {url}/test-token

Paste all of this into bash, in another terminal, as often as you like:

# ---- from here ----
{commands}
# ---- to here ----

In a browser {url}/ is a page, where you can sign in with any e-mail address.
Also there: GET / (this text), GET /sessions, POST /sign-out-everywhere.
"
        )
    }

    /// Lines for bash. They take a fresh token each time, so that they can be pasted
    /// again; and `localhost` is this machine even where there is a proxy.
    fn commands(&self) -> String {
        let Self { url, certificate, .. } = self;
        format!(
            r#"URL={url}
CA='{certificate}'
JAR=$(mktemp)
TOKEN=$(curl -sS --noproxy localhost --cacert "$CA" "$URL/test-token")

printf '\n\n--- 1. Without credentials: 401\n'
curl -sS -i --noproxy localhost --cacert "$CA" "$URL/me"

printf '\n\n--- 2. Sign in with the token: 200, and a cookie is set\n'
curl -sS -i --noproxy localhost --cacert "$CA" -c "$JAR" -H "Authorization: Bearer $TOKEN" "$URL/me"

printf '\n\n--- 3. Only the cookie: 200, the same session\n'
curl -sS -i --noproxy localhost --cacert "$CA" -b "$JAR" "$URL/me"

printf '\n\n--- 4. The same token once more: 200, but no cookie is set and no session made\n'
curl -sS -i --noproxy localhost --cacert "$CA" -H "Authorization: Bearer $TOKEN" "$URL/me"

printf '\n\n--- 5. Sign out, after copying the cookie as a thief would: 200, the cookie is taken away\n'
cp "$JAR" "$JAR.copy"
curl -sS -i --noproxy localhost --cacert "$CA" -b "$JAR" -c "$JAR" -X POST "$URL/sign-out"

printf '\n\n--- 6. The copied cookie: 401, the session is gone on the server too\n'
curl -sS -i --noproxy localhost --cacert "$CA" -b "$JAR.copy" "$URL/me"

rm -f "$JAR" "$JAR.copy""#
        )
    }
}
