//! `[identity]`.

use http::HeaderName;

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

/// The names of the headers that tell the upstream who is calling. Every 200 has all of them,
/// empty if nobody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityHeaders {
    /// `did:ethr:0x…`, EIP-55. Defaults to `x-auth-issuer`.
    pub(crate) issuer: HeaderName,
    /// `0x…`, EIP-55. Defaults to `x-auth-address`.
    pub(crate) address: HeaderName,
    /// The e-mail address according to Magic; empty without `[magic]`, and for people who have
    /// none. Defaults to `x-auth-email`.
    pub(crate) email: HeaderName,
    /// The session's handle, 64 hexadecimal digits; empty for a token without a session.
    /// Defaults to `x-auth-session`.
    pub(crate) session: HeaderName,
    /// When the session ends, in Unix seconds. Defaults to `x-auth-expires`.
    pub(crate) expires: HeaderName,
    /// The signed assertion; empty if none is configured. Defaults to `x-auth-assertion`.
    pub(crate) assertion: HeaderName,
}

impl IdentityHeaders {
    pub(crate) fn all(&self) -> [&HeaderName; 6] {
        [&self.issuer, &self.address, &self.email, &self.session, &self.expires, &self.assertion]
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            issuer: HeaderName::from_static("x-auth-issuer"),
            address: HeaderName::from_static("x-auth-address"),
            email: HeaderName::from_static("x-auth-email"),
            session: HeaderName::from_static("x-auth-session"),
            expires: HeaderName::from_static("x-auth-expires"),
            assertion: HeaderName::from_static("x-auth-assertion"),
        }
    }
}

/// Headers that mean something to those on the way, or carry credentials. A name that begins
/// with one of the first is taken too.
const TAKEN_PREFIXES: [&str; 8] = [
    "access-control-",
    "content-",
    "if-",
    "proxy-",
    "sec-",
    "x-envoy-",
    "x-forwarded-",
    "x-original-",
];

const TAKEN: [&str; 45] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "authorization",
    "cache-control",
    "clear-site-data",
    "connection",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "forwarded",
    "from",
    "host",
    "http2-settings",
    "keep-alive",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-real-ip",
    "x-request-id",
];

pub(in crate::serve::config) fn identity(
    settings: &mut Settings<'_>,
) -> Result<IdentityHeaders, Invalid> {
    let default = IdentityHeaders::default();
    let mut taken: Vec<(HeaderName, &str)> = Vec::new();
    let mut header = |key: &'static str, default: &HeaderName| {
        let name = settings.parsed_or(key, default.as_str(), parse)?;
        if let Some((_, other)) = taken.iter().find(|(other, _)| *other == name) {
            return Err(settings
                .invalid(key, format_args!("is the header of {other}; expected a different one")));
        }
        taken.push((name.clone(), key));
        Ok(name)
    };
    Ok(IdentityHeaders {
        issuer: header("identity.issuer", &default.issuer)?,
        address: header("identity.address", &default.address)?,
        email: header("identity.email", &default.email)?,
        session: header("identity.session", &default.session)?,
        expires: header("identity.expires", &default.expires)?,
        assertion: header("identity.assertion", &default.assertion)?,
    })
}

fn parse(text: &str) -> Result<HeaderName, &'static str> {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
    };
    // What nginx drops and others take for a hyphen (`_`, `.`) has a twin that a client could send.
    if !text.split('-').all(word) {
        return Err(
            "is not a valid header name; expected lower-case letters and digits, with hyphens between them",
        );
    }
    if TAKEN.contains(&text) || TAKEN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return Err("has another meaning in HTTP; expected a name such as x-auth-issuer");
    }
    text.parse().map_err(|_| "is no header name")
}
