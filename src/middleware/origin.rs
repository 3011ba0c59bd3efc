//! May the page that caused this request use the visitor's cookie?
//!
//! A browser sends the cookie with requests that another site caused. This is
//! the check of Go 1.25's `http.CrossOriginProtection` and of tower-http's
//! `csrf` layer (whose decision cannot be called by itself), extended to
//! WebSocket upgrades, which are `GET` and answer to no CORS.

use std::collections::HashSet;
use std::sync::Arc;

use http::header::{HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::{ConfigError, Rejection};

/// Origins (`https://app.example.com`, with the port if it is not the scheme's
/// own) whose pages are trusted as much as the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedOrigins(Arc<HashSet<Box<[u8]>>>);

impl TrustedOrigins {
    pub(crate) fn new(
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let check = |origin: &str| is_origin(origin).then(|| origin.as_bytes().into());
        let origins = origins.into_iter().map(|origin| check(origin.as_ref()));
        let origins: Option<_> = origins.collect();
        Ok(Self(Arc::new(origins.ok_or(ConfigError::InvalidOrigin)?)))
    }

    #[cfg(feature = "sign-in-page")]
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        // Checked to be text at construction.
        self.0.iter().map(|origin| String::from_utf8_lossy(origin).into_owned())
    }

    pub(crate) fn contains(&self, origin: &[u8]) -> bool {
        self.0.contains(origin)
    }

    /// Checks a request that is authenticated by its cookie alone.
    pub(super) fn check_cookie_use(&self, request: &Parts) -> Result<(), Rejection> {
        let safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if safe && !request.headers.contains_key(UPGRADE) && !is_extended_connect(request) {
            return Ok(());
        }
        self.check(request)
    }

    /// Checks a request that would be given a session, if it says where it comes from.
    pub(crate) fn check_login(&self, request: &Parts) -> Result<(), Rejection> {
        self.check(request)
    }

    fn check(&self, request: &Parts) -> Result<(), Rejection> {
        let header = |name: &str| single(&request.headers, name);
        let origin = header(ORIGIN.as_str())?;
        match header("sec-fetch-site")? {
            Some(b"same-origin" | b"none") => Ok(()),
            // No browser of today: the origin decides, and what sends none is no browser.
            None if origin.is_none_or(|origin| self.is_own(request, origin)) => Ok(()),
            _ if origin.is_some_and(|origin| self.contains(origin)) => Ok(()),
            _ => Err(Rejection::CrossOrigin),
        }
    }

    /// Whether `origin` is the host that the request itself names.
    fn is_own(&self, request: &Parts, origin: &[u8]) -> bool {
        let host = match request.uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => single(&request.headers, HOST.as_str()).unwrap_or_default(),
        };
        let origin = Uri::try_from(origin).ok();
        let authority = origin.as_ref().and_then(Uri::authority);
        host.is_some() && host == authority.map(|authority| authority.as_str().as_bytes())
    }
}

/// The value of a header that may stand once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a [u8]>, Rejection> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(HeaderValue::as_bytes)),
        _ => Err(Rejection::CrossOrigin),
    }
}

/// A WebSocket over HTTP/2 is a `CONNECT` (RFC 8441): never among the safe methods above.
fn is_extended_connect(request: &Parts) -> bool {
    request.method == Method::CONNECT
}

/// Scheme, host and port as browsers send them, and nothing else: lower case, no port that is the
/// scheme's own, and no pattern. What is never sent would trust nobody, unnoticed.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = Uri::try_from(text) else { return false };
    let (scheme, own_port) = match uri.scheme_str() {
        Some("http") => ("http", 80),
        Some("https") => ("https", 443),
        _ => return false,
    };
    let Some(authority) = uri.authority() else { return false };
    let host = authority.host();
    let canonical = match authority.port_u16() {
        Some(port) if port == own_port => return false,
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    };
    let pattern = |byte: u8| byte.is_ascii_uppercase() || byte == b'*';
    text == canonical && !host.is_empty() && !host.bytes().any(pattern)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn cookie_use_follows_fetch_metadata_then_origin() {
        let trusted = TrustedOrigins::new(["https://app.example.com"]).expect("an origin");
        let host = ("host", "api.example.com");
        let site = |value| ("sec-fetch-site", value);
        let origin = |value| ("origin", value);
        let rows: [(&str, &str, &[(&str, &str)], bool); 19] = [
            ("safe method from anywhere", "GET", &[host, site("cross-site")], true),
            ("own page", "POST", &[host, site("same-origin")], true),
            ("typed by the user", "POST", &[host, site("none")], true),
            ("sub-domain", "POST", &[host, site("same-site")], false),
            ("foreign site", "POST", &[host, site("cross-site")], false),
            ("unknown site value", "POST", &[host, site("Same-Origin")], false),
            ("empty site value", "POST", &[host, site("")], false),
            (
                "trusted site",
                "POST",
                &[host, site("cross-site"), origin("https://app.example.com")],
                true,
            ),
            (
                "foreign site and origin",
                "POST",
                &[host, site("cross-site"), origin("https://evil.example")],
                false,
            ),
            ("no browser", "POST", &[host], true),
            ("old browser, own page", "POST", &[host, origin("https://api.example.com")], true),
            ("old browser, foreign", "POST", &[host, origin("https://evil.example")], false),
            (
                "old browser, other port",
                "POST",
                &[host, origin("https://api.example.com:1")],
                false,
            ),
            ("opaque origin", "POST", &[host, origin("null")], false),
            ("no host to compare with", "POST", &[origin("https://api.example.com")], false),
            ("TRACE is not safe", "TRACE", &[host, site("cross-site")], false),
            (
                "two origins",
                "POST",
                &[host, origin("https://api.example.com"), origin("https://api.example.com")],
                false,
            ),
            (
                "WebSocket from a foreign page",
                "GET",
                &[host, ("upgrade", "websocket"), origin("https://evil.example")],
                false,
            ),
            (
                "WebSocket from the own page",
                "GET",
                &[host, ("upgrade", "websocket"), origin("https://api.example.com")],
                true,
            ),
        ];
        for (name, method, headers, passes) in rows {
            let parts = request(method, "/", headers);
            assert_eq!(trusted.check_cookie_use(&parts).is_ok(), passes, "{name}");
        }
    }

    #[test]
    fn the_authority_of_the_request_target_outranks_the_host_header() {
        let trusted = TrustedOrigins::default();
        let headers = [("host", "evil.example"), ("origin", "https://evil.example")];
        let parts = request("POST", "https://api.example.com/", &headers);
        assert!(trusted.check_cookie_use(&parts).is_err());
    }

    #[test]
    fn only_what_a_browser_sends_as_origin_can_be_trusted() {
        for bad in [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://APP.example.com",
            "https://user@app.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://app.example.com:",
            "https://app.example.com:0443",
            "https://app.example.com:65536",
            "https://*.example.com",
            "https://:8443",
            "ftp://app.example.com",
            "null",
            "*",
            "",
        ] {
            assert!(TrustedOrigins::new([bad]).is_err(), "{bad:?}");
        }
        for good in [
            "https://a.example:8443",
            "http://localhost:3000",
            "https://a.example:80",
            "http://a.example:443",
            "http://[::1]:3000",
            "http://[::1]",
            "http://127.0.0.1",
        ] {
            assert!(TrustedOrigins::new([good]).is_ok(), "{good:?}");
        }
    }
}
