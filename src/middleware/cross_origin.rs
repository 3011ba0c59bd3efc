//! May the page that caused this request use the visitor's cookie?
//!
//! A browser sends the cookie with requests that another site caused. This is
//! the check of Go 1.25's `http.CrossOriginProtection` and of tower-http's
//! `csrf` layer (whose decision cannot be called by itself), extended to
//! WebSocket upgrades, which are `GET` and answer to no CORS.

use std::sync::Arc;

use http::header::{HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use super::{ConfigError, Origin, Rejection, TrustedOrigin};

/// Origins whose pages are trusted as much as the server's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedOrigins(Arc<[TrustedOrigin]>);

impl TrustedOrigins {
    pub(crate) fn new(
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let origins = origins.into_iter().map(|origin| origin.as_ref().parse());
        let origins: Result<_, _> = origins.collect();
        origins.map(Self).map_err(ConfigError::InvalidOrigin)
    }

    /// The origins and patterns, as `Content-Security-Policy` has them too.
    #[cfg(feature = "sign-in-page")]
    pub(crate) fn texts(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(TrustedOrigin::to_string)
    }

    pub(crate) fn contains(&self, origin: &Origin) -> bool {
        self.0.iter().any(|trusted| trusted.matches(origin))
    }

    /// Checks a request that only its cookie authenticates.
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
        let site = header("sec-fetch-site")?;
        let origin = header(ORIGIN.as_str())?;
        // What is no origin, such as `null`, is nobody's.
        let parsed = || std::str::from_utf8(origin?).ok()?.parse::<Origin>().ok();
        match site {
            Some(b"same-origin" | b"none") => return Ok(()),
            // No browser of today: the origin decides, and what sends none is no browser.
            None if origin.is_none() => return Ok(()),
            _ => {}
        }
        match parsed() {
            Some(origin) if site.is_none() && is_own(request, &origin) => Ok(()),
            Some(origin) if self.contains(&origin) => Ok(()),
            _ => Err(Rejection::CrossOrigin),
        }
    }
}

/// Whether `origin` is the host that the request itself names.
fn is_own(request: &Parts, origin: &Origin) -> bool {
    let host = match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => single(&request.headers, HOST.as_str())
            .unwrap_or_default()
            .and_then(|host| std::str::from_utf8(host).ok()),
    };
    host.is_some_and(|host| origin.is_served_by(host))
}

/// The value of a header that may appear only once.
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

    /// Signing in, the cookie's use and WebSockets all know one host in each of its spellings.
    #[test]
    fn one_host_in_two_spellings_is_one_host() {
        let trusted = TrustedOrigins::default();
        for (host, origin, passes) in [
            ("APP.example.com", "https://app.example.com", true),
            ("app.example.com:443", "https://app.example.com", true),
            ("app.example.com:80", "http://app.example.com", true),
            ("[0::1]:8443", "https://[::1]:8443", true),
            ("app.example.com:80", "https://app.example.com", false),
            ("app.example.com.evil.example", "https://app.example.com", false),
            ("localhost", "capacitor://localhost", false),
        ] {
            let headers = [("host", host), ("origin", origin)];
            let socket = [("host", host), ("origin", origin), ("upgrade", "websocket")];
            for result in [
                trusted.check_login(&request("POST", "/", &headers)),
                trusted.check_cookie_use(&request("POST", "/", &headers)),
                trusted.check_cookie_use(&request("GET", "/", &socket)),
                trusted.check_login(&request("POST", &format!("https://{host}/"), &headers[1..])),
            ] {
                assert_eq!(result.is_ok(), passes, "{origin} at {host}");
            }
        }
    }

    #[test]
    fn pages_of_applications_and_previews_can_be_trusted() {
        let site = |value| ("sec-fetch-site", value);
        let list = ["capacitor://localhost", "app://-", "https://*.preview.example.com"];
        let trusted = TrustedOrigins::new(list).expect("origins");
        for (origin, passes) in [
            ("capacitor://localhost", true),
            ("app://-", true),
            ("https://pr-7.preview.example.com", true),
            ("https://preview.example.com", false),
            ("ionic://localhost", false),
            ("https://localhost", false),
            ("null", false),
        ] {
            for headers in [
                &[("host", "api.example.com"), ("origin", origin)][..],
                &[("host", "api.example.com"), ("origin", origin), site("cross-site")],
            ] {
                let request = request("POST", "/", headers);
                assert_eq!(trusted.check_login(&request).is_ok(), passes, "{origin}");
                assert_eq!(trusted.check_cookie_use(&request).is_ok(), passes, "{origin}");
            }
        }
        assert!(TrustedOrigins::new(["https://a.example/"]).is_err());
    }
}
