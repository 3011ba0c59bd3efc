//! Where Magic's Admin API is.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;

use super::MagicConfigError;

/// The new generation of the API, which Magic's SDKs for Node and Python use.
pub(super) const DEFAULT_URL: &str = "https://api.toaster.magic.link";

/// The URL that all calls begin with, without a slash at its end.
#[derive(Clone, Debug)]
pub(super) struct Endpoint(Box<str>);

impl Default for Endpoint {
    fn default() -> Self {
        Self(DEFAULT_URL.into())
    }
}

impl Endpoint {
    /// Reads `https://host[:port][/path]`; `http://` only where the host is this very machine, so
    /// that the secret key never crosses a network in the clear.
    pub(super) fn parse(url: &str) -> Result<Self, MagicConfigError> {
        let invalid = MagicConfigError::InvalidApiUrl;
        let uri: Uri = url.parse().map_err(|_| invalid)?;
        let authority = uri.authority().ok_or(invalid)?;
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        let local = uri.scheme() == Some(&Scheme::HTTP) && is_loopback(authority.host());
        let plain = !authority.as_str().contains('@')
            && uri.query().is_none()
            && !url.contains(['?', '#'])
            && !authority.host().is_empty();
        if !(encrypted || local) || !plain {
            return Err(invalid);
        }
        Ok(Self(url.trim_end_matches('/').into()))
    }

    /// The URL of a call. `call` begins with a slash.
    pub(super) fn uri(&self, call: &str) -> Option<Uri> {
        format!("{}{call}", self.0).parse().ok()
    }
}

/// Whether this host is the machine itself, whatever its resolver says.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_key_goes_over_https_or_stays_on_the_machine() {
        for good in [
            DEFAULT_URL,
            "https://api.magic.link/",
            "https://proxy.example:8443/magic",
            "http://127.0.0.1:9001",
            "http://localhost:9001",
            "http://[::1]:9001/",
            "http://127.9.9.9",
        ] {
            assert!(Endpoint::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "api.magic.link",
            "/v1",
            "http://api.magic.link",
            "http://localhost.example.com",
            "http://10.0.0.1",
            "http://127.0.0.1.example.com",
            "ftp://127.0.0.1",
            "https://",
            "https://user:password@api.magic.link",
            "https://api.magic.link?x=1",
            "https://api.magic.link/#x",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn calls_are_appended_to_the_path() {
        let endpoint = Endpoint::parse("https://proxy.example/magic/").expect("an endpoint");
        let uri = endpoint.uri("/v1/admin/client").expect("a URL");
        assert_eq!(uri, "https://proxy.example/magic/v1/admin/client");
    }
}
