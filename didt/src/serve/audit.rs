//! What is written down about sessions, at every log level: who signed in, who was refused and
//! why, which sessions were ended and by whom.
//!
//! Every event has the fields `event` and, where it is known, `issuer`, `session` (the handle,
//! from which no cookie can be made), `client` (the address of whoever asked). Never a token, a
//! cookie or a session id; the e-mail address only with `log.personal`.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header::HOST;
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, Uri};
use tower_didt::magic::Email;
use tower_didt::{Issuer, Session, SessionHandle};
use tracing::field::{DisplayValue, display};
use tracing::info;

use super::config::Log;
use super::sites::SiteName;

/// The target of all of these events.
pub(crate) const TARGET: &str = "didt::audit";

/// Writes events down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audit {
    /// Whether they name e-mail addresses.
    personal: bool,
}

/// Whom an event is about.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) issuer: Issuer,
    pub(crate) session: Option<SessionHandle>,
    /// Only where it is to be written down. It has no control characters.
    pub(crate) email: Option<Email>,
}

impl Party {
    /// Of whom nothing else is known.
    pub(crate) const fn known_by(issuer: Issuer) -> Self {
        Self { issuer, session: None, email: None }
    }
}

impl Audit {
    pub(crate) const fn new(log: &Log) -> Self {
        Self { personal: log.personal }
    }

    /// The owner of an issuer's session, named by the address that `email` finds: looked for only
    /// where it is to be written down.
    pub(crate) async fn owner<F>(self, issuer: Issuer, email: impl FnOnce() -> F) -> Party
    where
        F: Future<Output = Option<Email>>,
    {
        let email = if self.personal { email().await } else { None };
        Party { email, ..Party::known_by(issuer) }
    }

    pub(crate) fn party(self, session: &Session) -> Party {
        let user = if self.personal { session.magic_user() } else { None };
        Party {
            issuer: session.issuer(),
            session: session.handle(),
            email: user.and_then(|user| user.email().cloned()),
        }
    }
}

/// Somebody signed in. No session where none was made: the store keeps none.
pub(crate) fn login(who: &Party, client: Option<IpAddr>, asked: &Asked) {
    let Asked { method, host, path, site, .. } = asked;
    info!(
        target: TARGET,
        event = "login",
        issuer = %who.issuer,
        email = shown(who.email.as_ref()),
        session = shown(who.session),
        client = shown(client),
        method = shown(method.as_ref()),
        host = shown(host.as_ref()),
        path = shown(path.as_ref()),
        site = shown(site.as_ref()),
        "signed in",
    );
}

/// A request was refused. `reason` is [`Rejection::name`](tower_didt::Rejection::name) or a word of
/// our own; `at` is the kind of the gateway that asked, or which endpoint of ours it was; `who` asked
/// is not always known.
pub(crate) fn refusal(
    reason: &str,
    who: Option<&Party>,
    client: Option<IpAddr>,
    at: &str,
    asked: &Asked,
) {
    let Asked { method, host, path, site, rule } = asked;
    info!(
        target: TARGET,
        event = "refusal",
        reason,
        issuer = shown(who.map(|who| who.issuer)),
        email = shown(who.and_then(|who| who.email.as_ref())),
        session = shown(who.and_then(|who| who.session)),
        client = shown(client),
        at,
        method = shown(method.as_ref()),
        host = shown(host.as_ref()),
        path = shown(path.as_ref()),
        site = shown(site.as_ref()),
        rule = shown(rule.as_ref()),
        "refused",
    );
}

/// Somebody ended a session of theirs, which need not be the one that asked, or all of them.
pub(crate) fn sign_out(
    who: &Party,
    ended: Option<SessionHandle>,
    everywhere: bool,
    client: Option<IpAddr>,
    asked: &Asked,
) {
    let Asked { method, host, path, site, .. } = asked;
    info!(
        target: TARGET,
        event = "sign_out",
        issuer = %who.issuer,
        email = shown(who.email.as_ref()),
        session = shown(ended),
        everywhere,
        client = shown(client),
        method = shown(method.as_ref()),
        host = shown(host.as_ref()),
        path = shown(path.as_ref()),
        site = shown(site.as_ref()),
        "signed out",
    );
}

/// An administrator ended a session of somebody's or, without one, all of them.
pub(crate) fn revoked(
    whose: &Party,
    session: Option<SessionHandle>,
    client: Option<IpAddr>,
    asked: &Asked,
) {
    let Asked { method, host, path, site, .. } = asked;
    info!(
        target: TARGET,
        event = "revoked",
        issuer = %whose.issuer,
        email = shown(whose.email.as_ref()),
        session = shown(session),
        everywhere = session.is_none(),
        client = shown(client),
        method = shown(method.as_ref()),
        host = shown(host.as_ref()),
        path = shown(path.as_ref()),
        site = shown(site.as_ref()),
        "revoked by an administrator",
    );
}

/// The target of lines about requests, where they are asked for.
pub(crate) const ACCESS: &str = "didt::access";

/// A gateway asked about a request, and this is the status of the answer. `who` asked is not always known.
pub(crate) fn access(
    status: StatusCode,
    who: Option<&Party>,
    client: Option<IpAddr>,
    at: &str,
    asked: &Asked,
) {
    let Asked { method, host, path, site, rule } = asked;
    info!(
        target: ACCESS,
        event = "access",
        status = status.as_u16(),
        issuer = shown(who.map(|who| who.issuer)),
        email = shown(who.and_then(|who| who.email.as_ref())),
        client = shown(client),
        at,
        method = shown(method.as_ref()),
        host = shown(host.as_ref()),
        path = shown(path.as_ref()),
        site = shown(site.as_ref()),
        rule = shown(rule.as_ref()),
        "checked",
    );
}

/// The most of a client's text that a line may hold, in bytes before escaping.
const MAX_SHOWN: usize = 256;

/// What a request was for, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: Option<String>,
    pub(crate) host: Option<String>,
    /// Without the query, which may hold secrets.
    pub(crate) path: Option<String>,
    /// The site, where there are several.
    pub(crate) site: Option<SiteName>,
    /// The name of the rule that decided; none at endpoints of our own, which no rule is for.
    pub(crate) rule: Option<String>,
}

impl Asked {
    /// Of a request to an endpoint of our own.
    pub(crate) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, more: &Extensions) -> Self {
        // HTTP/2 has the host in `:authority`.
        let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
        let host = headers.get(HOST).map(HeaderValue::as_bytes).or(authority).unwrap_or_default();
        let site = more.get().cloned();
        Self { site, ..Self::raw(method.as_str().as_bytes(), host, uri.path().as_bytes()) }
    }

    /// Of what the client sent, which may be anything.
    pub(crate) fn raw(method: &[u8], host: &[u8], uri: &[u8]) -> Self {
        let path = uri.split(|byte| *byte == b'?').next().unwrap_or_default();
        let [method, host, path] = [method, host, path].map(|bytes| {
            let start = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
            Some(start.escape_ascii().to_string())
        });
        Self { method, host, path, site: None, rule: None }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.method, &parts.uri, &parts.headers, &parts.extensions))
    }
}

/// A field that is omitted if it has no value.
fn shown<T: std::fmt::Display>(value: Option<T>) -> Option<DisplayValue<T>> {
    value.map(display)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_text_is_shortened_and_has_no_query() {
        let long = [b"/".as_slice(), &[b'a'; 5000], b"?secret"].concat();
        let asked = Asked::raw(&[b'M'; 5000], &[b'h'; 5000], &long);
        for text in [&asked.method, &asked.host, &asked.path].into_iter().flatten() {
            assert_eq!(text.len(), 256, "{text}");
        }
        assert_eq!(Asked::raw(b"GET", b"a", b"/x?secret").path.as_deref(), Some("/x"));
        // As HTTP/2 has it.
        let uri = Uri::from_static("https://app.example.com/x?secret");
        let asked = Asked::of(&Method::GET, &uri, &HeaderMap::new(), &Extensions::new());
        assert_eq!(asked.host.as_deref(), Some("app.example.com"));
        assert_eq!(asked.path.as_deref(), Some("/x"));
        // Escaped, a byte takes four at most.
        let escaped = Asked::raw(b"", &[0xff; 5000], b"").host;
        assert_eq!(escaped.map_or(0, |host| host.len()), 4 * 256);
    }
}
