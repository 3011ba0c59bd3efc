//! Where a page comes from: one canonical form, and one comparison.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::domain::{is_ipv4, is_public_suffix};

/// The longest scheme that is read, in bytes; browsers' own have up to 20 (`safari-web-extension`).
const MAX_SCHEME_LEN: usize = 64;

/// The longest host name, in bytes (RFC 1035 section 2.3.4, without the root's length byte).
const MAX_HOST_LEN: usize = 253;

/// The origin of a web page (RFC 6454): scheme, host and port, in canonical form.
///
/// The scheme may be any: `https://app.example.com`, `capacitor://localhost`, `tauri://localhost`,
/// `chrome-extension://…`. Scheme and host are in lower case, IP addresses in their usual form, and
/// the scheme's default port (80 for `http`, 443 for `https`) is omitted, so that equal
/// origins compare equal. Names outside of ASCII are refused: write them as browsers send them
/// (`xn--…`).
///
/// ```
/// use tower_didt::Origin;
///
/// let origin: Origin = "https://APP.example.com:443".parse()?;
/// assert_eq!(origin.to_string(), "https://app.example.com");
/// # Ok::<(), tower_didt::layer::ParseOriginError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    /// The scheme, such as `https`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, unless it is the scheme's own.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// Whether a server that is addressed as `authority` (the `Host` header, or the authority of
    /// the request's target) serves the pages of this origin.
    ///
    /// Host names are compared in their canonical form, and a port that is the scheme's own counts
    /// as none. Servers serve `http` and `https` only: an application in `capacitor://localhost` is
    /// not a page of the server `localhost`.
    #[must_use]
    pub fn is_served_by(&self, authority: &str) -> bool {
        matches!(self.scheme.as_str(), "http" | "https")
            && split_authority(&self.scheme, authority)
                .is_ok_and(|(host, port)| host == self.host && port == self.port)
    }
}

impl FromStr for Origin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, ParseOriginError> {
        let (scheme, authority) = split_scheme(text)?;
        let (host, port) = split_authority(&scheme, authority)?;
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// An origin, or all origins below a domain: `https://*.preview.example.com` stands for one label
/// or more in place of the `*`, with the scheme and port as given.
///
/// The domain must have two labels or more. Choose one under which nobody else can have a host:
/// `https://*.github.io` would be anyone's pages. With the feature `public-suffix` such a domain is
/// refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrustedOrigin {
    /// Without `*.`, where it is a pattern.
    origin: Origin,
    below: bool,
}

impl TrustedOrigin {
    /// Whether these are the pages of `origin`.
    #[must_use]
    pub fn matches(&self, origin: &Origin) -> bool {
        if !self.below {
            return self.origin == *origin;
        }
        let prefix = origin.host.strip_suffix(self.origin.host.as_str());
        self.origin.scheme == origin.scheme
            && self.origin.port == origin.port
            && prefix
                .and_then(|prefix| prefix.strip_suffix('.'))
                .is_some_and(|rest| !rest.is_empty())
    }

    /// The domain of a pattern, without `*.`.
    #[must_use]
    pub fn wildcard_domain(&self) -> Option<&str> {
        self.below.then_some(self.origin.host.as_str())
    }
}

impl From<Origin> for TrustedOrigin {
    fn from(origin: Origin) -> Self {
        Self { origin, below: false }
    }
}

impl FromStr for TrustedOrigin {
    type Err = ParseOriginError;

    fn from_str(text: &str) -> Result<Self, ParseOriginError> {
        let (scheme, authority) = split_scheme(text)?;
        let Some(domain) = authority.strip_prefix("*.") else {
            return text.parse::<Origin>().map(Self::from);
        };
        let (host, port) = split_authority(&scheme, domain)?;
        let is_address = host.starts_with('[') || is_ipv4(&host);
        if is_public_suffix(&host) {
            return Err(ParseOriginError(Fault::PublicSuffix));
        }
        if is_address || !host.trim_end_matches('.').contains('.') {
            return Err(ParseOriginError(Fault::Wildcard));
        }
        Ok(Self { origin: Origin { scheme, host, port }, below: true })
    }
}

impl fmt::Display for TrustedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin: Origin { scheme, host, port }, below } = self;
        write!(f, "{scheme}://{}{host}", if *below { "*." } else { "" })?;
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Why a text is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOriginError(Fault);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Scheme,
    NonAscii,
    Rest,
    Host,
    Port,
    Wildcard,
    PublicSuffix,
}

impl fmt::Display for ParseOriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Fault::Scheme => "an origin starts with its scheme, such as https://app.example.com",
            Fault::NonAscii => {
                "a host name outside of ASCII must be written as browsers send it, xn--…"
            }
            Fault::Rest => {
                "an origin ends after host and port: it has no path and no trailing slash"
            }
            Fault::Host => "an origin needs a host name or IP address after ://",
            Fault::Port => "an origin's port must be a number from 1 to 65535",
            Fault::Wildcard => {
                "* may only stand before a domain of two labels or more: https://*.example.com"
            }
            Fault::PublicSuffix => {
                "anyone can have a host under this domain (publicsuffix.org): put a label of yours \
                 before it, https://*.your-name.github.io"
            }
        })
    }
}

impl std::error::Error for ParseOriginError {}

/// Scheme in lower case (RFC 3986 section 3.1), and what follows `://`.
fn split_scheme(text: &str) -> Result<(String, &str), ParseOriginError> {
    let (scheme, rest) = text.split_once("://").ok_or(ParseOriginError(Fault::Scheme))?;
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(inner)
        || scheme.len() > MAX_SCHEME_LEN
    {
        return Err(ParseOriginError(Fault::Scheme));
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// Host in canonical form, and the port unless it is the scheme's own.
fn split_authority(scheme: &str, text: &str) -> Result<(String, Option<u16>), ParseOriginError> {
    if !text.is_ascii() {
        return Err(ParseOriginError(Fault::NonAscii));
    }
    if text.contains(['/', '?', '#']) {
        return Err(ParseOriginError(Fault::Rest));
    }
    let host_len = match text.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(ParseOriginError(Fault::Host))? + 2,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (host, port) = text.split_at_checked(host_len).ok_or(ParseOriginError(Fault::Host))?;
    let port = match port.strip_prefix(':') {
        Some(digits) => Some(read_port(digits).ok_or(ParseOriginError(Fault::Port))?),
        None if port.is_empty() => None,
        None => return Err(ParseOriginError(Fault::Host)),
    };
    let own_port = match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    Ok((canonical_host(host)?, port.filter(|_| port != own_port)))
}

fn read_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| plain)
}

fn canonical_host(host: &str) -> Result<String, ParseOriginError> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = address.parse::<Ipv6Addr>().map_err(|_| ParseOriginError(Fault::Host))?;
        return Ok(format!("[{address}]"));
    }
    if host.contains('*') {
        return Err(ParseOriginError(Fault::Wildcard));
    }
    let host = host.to_ascii_lowercase();
    let name = host.strip_suffix('.').unwrap_or(&host);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let is_name = name.len() <= MAX_HOST_LEN
        && name.split('.').all(|label| !label.is_empty() && label.bytes().all(inner));
    // Browsers read a name that ends in a number as an IPv4 address, in forms that are not all one.
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = name.rsplit('.').next().is_some_and(numeric);
    if !is_name || is_number && host.parse::<Ipv4Addr>().is_err() {
        return Err(ParseOriginError(Fault::Host));
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "public-suffix")]
    #[test]
    fn a_pattern_for_anybodys_hosts_is_refused() {
        for bad in [
            "https://*.github.io",
            "https://*.co.uk",
            "app://*.vercel.app",
            "https://*.GitHub.io:8443",
        ] {
            let refused = bad.parse::<TrustedOrigin>().expect_err(bad);
            assert!(refused.to_string().contains("publicsuffix.org"), "{bad}: {refused}");
        }
        for good in
            ["https://*.me.github.io", "https://me.github.io", "https://*.preview.example.com"]
        {
            assert!(good.parse::<TrustedOrigin>().is_ok(), "{good}");
        }
    }

    #[test]
    fn an_origin_has_one_canonical_form() {
        for (text, canonical) in [
            ("https://app.example.com", "https://app.example.com"),
            ("HTTPS://APP.Example.com:443", "https://app.example.com"),
            ("http://app.example.com:80", "http://app.example.com"),
            ("https://app.example.com:80", "https://app.example.com:80"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1", "http://127.0.0.1"),
            ("http://[0:0::1]:80", "http://[::1]"),
            ("https://[2001:DB8::1]:8443", "https://[2001:db8::1]:8443"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://example.com.", "https://example.com."),
            ("capacitor://localhost", "capacitor://localhost"),
            ("ionic://localhost", "ionic://localhost"),
            ("tauri://localhost", "tauri://localhost"),
            ("app://-", "app://-"),
            ("app://obsidian.md", "app://obsidian.md"),
            (
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            ),
            (
                "moz-extension://0bfc4a3e-6b0d-4d8e-9d3c-2f1c5f0f3f53",
                "moz-extension://0bfc4a3e-6b0d-4d8e-9d3c-2f1c5f0f3f53",
            ),
            ("capacitor://localhost:443", "capacitor://localhost:443"),
        ] {
            let origin: Origin = text.parse().expect(text);
            assert_eq!(origin.to_string(), canonical);
            assert_eq!(canonical.parse::<Origin>().expect(canonical), origin);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_in_words_that_help() {
        for (text, word) in [
            ("", "scheme"),
            ("null", "scheme"),
            ("*", "scheme"),
            ("app.example.com", "scheme"),
            ("://a.example", "scheme"),
            ("1a://a.example", "scheme"),
            ("https://a.example/", "trailing slash"),
            ("https://a.example/path", "trailing slash"),
            ("https://a.example?x", "trailing slash"),
            ("https://a.example#x", "trailing slash"),
            ("https://", "host name"),
            ("https://:8443", "host name"),
            ("https://user@a.example", "host name"),
            ("https://a..example", "host name"),
            ("https://.example", "host name"),
            ("https://a.example\\@b.example", "host name"),
            ("https://a b.example", "host name"),
            ("https://1.2.3", "host name"),
            ("https://1.2.3.256", "host name"),
            ("https://[::1", "host name"),
            ("https://[fe80::1%25eth0]", "host name"),
            ("https://[::1]x", "host name"),
            ("https://a.example:", "port"),
            ("https://a.example:0443", "port"),
            ("https://a.example:65536", "port"),
            ("https://a.example:+1", "port"),
            ("https://bücher.example", "xn--"),
            ("https://*.example.com", "*"),
        ] {
            let error = text.parse::<Origin>().expect_err(text).to_string();
            assert!(error.contains(word), "{text:?}: {error}");
        }
        let long = format!("https://{}", "a.".repeat(200));
        assert!(long.parse::<Origin>().is_err());
    }

    #[test]
    fn a_pattern_stands_for_one_label_or_more_of_its_scheme_and_port() {
        let pattern: TrustedOrigin = "https://*.Preview.example.com".parse().expect("a pattern");
        assert_eq!(pattern.to_string(), "https://*.preview.example.com");
        assert_eq!(pattern.wildcard_domain(), Some("preview.example.com"));
        for (origin, expected) in [
            ("https://a.preview.example.com", true),
            ("https://b.a.preview.example.com", true),
            ("https://A.PREVIEW.example.com:443", true),
            ("https://preview.example.com", false),
            ("https://evilpreview.example.com", false),
            ("http://a.preview.example.com", false),
            ("https://a.preview.example.com:8443", false),
            ("https://a.preview.example.com.evil.example", false),
        ] {
            assert_eq!(pattern.matches(&origin.parse().expect(origin)), expected, "{origin}");
        }
        for bad in [
            "https://*",
            "https://*.com",
            "https://*.com.",
            "https://*.127.1",
            "https://*.0.0x7f",
            "https://*.localhost",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://*.*.example.com",
            "https://a.*.example.com",
            "https://a*.example.com",
            "*://a.example.com",
            "https://*.example.com/",
        ] {
            assert!(bad.parse::<TrustedOrigin>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_host_is_the_same_in_every_spelling() {
        for (origin, host, expected) in [
            ("https://app.example.com", "app.example.com", true),
            ("https://app.example.com", "APP.example.com", true),
            ("https://app.example.com", "app.example.com:443", true),
            ("http://app.example.com", "app.example.com:80", true),
            ("https://app.example.com:8443", "app.example.com:8443", true),
            ("https://[::1]:8443", "[0:0:0::1]:8443", true),
            ("https://app.example.com", "app.example.com:80", false),
            ("https://app.example.com", "app.example.com:8443", false),
            ("https://app.example.com", "app.example.com.", false),
            ("https://app.example.com", "user@app.example.com", false),
            ("https://app.example.com", "", false),
            ("capacitor://localhost", "localhost", false),
        ] {
            let parsed: Origin = origin.parse().expect(origin);
            assert_eq!(parsed.is_served_by(host), expected, "{origin} at {host:?}");
        }
    }
}
