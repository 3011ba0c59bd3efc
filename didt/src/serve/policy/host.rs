//! The host of a request, and what a rule says about it.

use std::fmt;
use std::net::Ipv6Addr;

/// The longest name that DNS can hold, as text (RFC 1035 section 2.3.4).
pub(crate) const MAX_NAME_LEN: usize = 253;

/// The longest label of it.
const MAX_LABEL_LEN: usize = 63;

/// Reads a `Host`: in lower case, without the scheme's own port.
pub(super) fn canonical(host: &[u8], https: bool) -> Result<String, HostFault> {
    if host.is_empty() {
        return Err(HostFault::Empty);
    }
    // The port adds a colon and five digits, an address in brackets is shorter anyway.
    if host.len() > MAX_NAME_LEN + 6 {
        return Err(HostFault::TooLong);
    }
    let host = std::str::from_utf8(host).map_err(|_| HostFault::Character)?;
    let (name, port) = split(host).ok_or(HostFault::Address)?;
    let name = match name.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']').ok_or(HostFault::Address)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostFault::Address)?;
            format!("[{address}]")
        }
        None => dns_name(name)?,
    };
    Ok(match port {
        Some(text) => match read_port(text)? {
            443 if https => name,
            80 if !https => name,
            port => format!("{name}:{port}"),
        },
        None => name,
    })
}

/// The host without its port.
pub(super) fn name(host: &str) -> &str {
    split(host).map_or(host, |(name, _)| name)
}

/// The canonical name of a `Host`, without a port, whatever the scheme.
pub(crate) fn host_name(host: &[u8]) -> Result<String, HostFault> {
    let host = canonical(host, true)?;
    Ok(name(&host).to_owned())
}

/// Name and port; the name of an IPv6 address keeps its brackets. `None` without the closing one.
fn split(host: &str) -> Option<(&str, Option<&str>)> {
    if host.starts_with('[') {
        let (name, rest) = host.split_at_checked(host.find(']')? + 1)?;
        return match rest {
            "" => Some((name, None)),
            _ => rest.strip_prefix(':').map(|port| (name, Some(port))),
        };
    }
    Some(match host.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    })
}

fn dns_name(name: &str) -> Result<String, HostFault> {
    if name.is_empty() {
        return Err(HostFault::Empty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(HostFault::TooLong);
    }
    if name.contains('@') {
        return Err(HostFault::UserInfo);
    }
    // DNS takes both for one name, most readers for two.
    if name.ends_with('.') {
        return Err(HostFault::TrailingDot);
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err(HostFault::Character);
    }
    if !name.split('.').all(|label| (1..=MAX_LABEL_LEN).contains(&label.len())) {
        return Err(HostFault::Label);
    }
    Ok(name.to_ascii_lowercase())
}

fn read_port(text: &str) -> Result<u16, HostFault> {
    if text.contains('@') {
        return Err(HostFault::UserInfo);
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain).ok_or(HostFault::Port)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFault {
    Empty,
    TooLong,
    UserInfo,
    TrailingDot,
    Character,
    Label,
    Port,
    Address,
}

impl HostFault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty_host",
            Self::TooLong => "long_host",
            Self::UserInfo => "host_with_user",
            Self::TrailingDot => "host_with_trailing_dot",
            Self::Character => "host_character",
            Self::Label => "host_label",
            Self::Port => "host_port",
            Self::Address => "host_address",
        }
    }
}

impl fmt::Display for HostFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::TooLong => write!(f, "is longer than {MAX_NAME_LEN} bytes"),
            Self::UserInfo => f.write_str("has a user name"),
            Self::TrailingDot => f.write_str("ends in a dot"),
            Self::Character => f.write_str("has characters that are not allowed in a host name"),
            Self::Label => {
                write!(f, "has a label that is empty or longer than {MAX_LABEL_LEN} bytes")
            }
            Self::Port => f.write_str("has a port that is not a number from 1 to 65535"),
            Self::Address => {
                f.write_str("has brackets around something that is not an IPv6 address")
            }
        }
    }
}

/// What a rule says about the host: a name or `*.` and a name. Ports take no part, as gateways
/// choose a site without looking at the port that a client wrote behind its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Exact(String),
    /// The name with a dot in front: `.example.com`.
    Below(String),
}

impl HostPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, HostPatternFault> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(HostPatternFault::Wildcard);
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(HostPatternFault::UpperCase);
        }
        match split(name) {
            Some((_, Some(_))) => return Err(HostPatternFault::Port),
            Some((bracketed, None)) if below && bracketed.starts_with('[') => {
                return Err(HostPatternFault::Wildcard);
            }
            _ => {}
        }
        match canonical(name.as_bytes(), true).map_err(HostPatternFault::Host)? {
            other if other != name => Err(HostPatternFault::Host(HostFault::Address)),
            name if below => Ok(Self::Below(format!(".{name}"))),
            name => Ok(Self::Exact(name)),
        }
    }

    /// `name` is a canonical host without its port.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Below(suffix) => {
                name.strip_suffix(suffix.as_str()).is_some_and(|x| !x.is_empty())
            }
        }
    }

    /// A host that it matches.
    pub(crate) fn example(&self) -> String {
        match self {
            Self::Exact(name) => name.clone(),
            Self::Below(suffix) => format!("x{suffix}"),
        }
    }

    /// A host that both match, if there is one.
    pub(crate) fn meet(&self, other: &Self) -> Option<String> {
        if self.covers(other) {
            Some(other.example())
        } else {
            other.covers(self).then(|| self.example())
        }
    }

    /// Whether this matches whatever `other` matches.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        match other {
            Self::Exact(name) => self.matches(name),
            // A name below another one begins with a dot here, as labels do.
            Self::Below(below) => match self {
                Self::Exact(_) => false,
                Self::Below(suffix) => below.ends_with(suffix),
            },
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostPatternFault {
    Wildcard,
    UpperCase,
    Port,
    Host(HostFault),
}

impl fmt::Display for HostPatternFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wildcard => f.write_str("has a * that is not the first label of a name"),
            Self::UpperCase => f.write_str("must be in lower case"),
            Self::Port => f.write_str("must not have a port: it applies to every port"),
            Self::Host(fault) => fault.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_host_has_one_spelling() {
        let long = format!("{}a", "a.".repeat(126));
        let rows: [(&str, &str, bool, Result<&str, HostFault>); 26] = [
            ("plain", "example.com", true, Ok("example.com")),
            ("upper case", "EXAMPLE.com", true, Ok("example.com")),
            ("default port of https", "example.com:443", true, Ok("example.com")),
            ("default port of http", "example.com:80", false, Ok("example.com")),
            ("port of the other scheme", "example.com:80", true, Ok("example.com:80")),
            ("another port", "example.com:8443", true, Ok("example.com:8443")),
            ("one label", "localhost", true, Ok("localhost")),
            ("IPv4", "127.0.0.1:8080", true, Ok("127.0.0.1:8080")),
            ("IPv6", "[::1]:8080", true, Ok("[::1]:8080")),
            ("IPv6 in other spelling", "[0:0::0001]", true, Ok("[::1]")),
            ("punycode", "xn--bcher-kva.example", true, Ok("xn--bcher-kva.example")),
            ("longest name", &long, true, Ok(&long)),
            ("empty", "", true, Err(HostFault::Empty)),
            ("port alone", ":443", true, Err(HostFault::Empty)),
            ("user", "user@example.com", true, Err(HostFault::UserInfo)),
            ("user and password", "a:b@example.com", true, Err(HostFault::UserInfo)),
            ("trailing dot", "example.com.", true, Err(HostFault::TrailingDot)),
            ("empty label", "a..b", true, Err(HostFault::Label)),
            ("no port after the colon", "example.com:", true, Err(HostFault::Port)),
            ("port 0", "example.com:0", true, Err(HostFault::Port)),
            ("port with a leading zero", "example.com:0443", true, Err(HostFault::Port)),
            ("port too large", "example.com:65536", true, Err(HostFault::Port)),
            ("port with a sign", "example.com:+443", true, Err(HostFault::Port)),
            ("two hosts", "a.example, b.example", true, Err(HostFault::Character)),
            ("escaped", "exampl%65.com", true, Err(HostFault::Character)),
            ("8-bit", "exämple.com", true, Err(HostFault::Character)),
        ];
        for (name, host, https, expected) in rows {
            let read = canonical(host.as_bytes(), https);
            assert_eq!(read.as_deref().map_err(|fault| *fault), expected, "{name}");
        }
        for address in ["[::1", "[]", "[::1]x", "[::1]x:80", "[127.0.0.1]", "[fe80::1%25eth0]"] {
            assert_eq!(canonical(address.as_bytes(), true), Err(HostFault::Address), "{address}");
        }
        assert_eq!(canonical(format!("{long}a").as_bytes(), true), Err(HostFault::TooLong));
        assert_eq!(canonical(&[b'a'; 64], true), Err(HostFault::Label));
    }

    #[test]
    fn a_star_stands_for_one_label_or_more_in_front_of_the_name() {
        let pattern = |text| HostPattern::parse(text).expect("a pattern");
        let rows = [
            ("same", "example.com", "example.com", true),
            ("sub-domain of an exact name", "example.com", "www.example.com", false),
            ("one label", "*.example.com", "www.example.com", true),
            ("two labels", "*.example.com", "a.b.example.com", true),
            ("none", "*.example.com", "example.com", false),
            ("empty label", "*.example.com", ".example.com", false),
            ("another name with the same end", "*.example.com", "evilexample.com", false),
            ("IPv6", "[::1]", "[::1]", true),
        ];
        for (name, text, host, expected) in rows {
            assert_eq!(pattern(text).matches(host), expected, "{name}");
            assert_eq!(pattern(text).to_string(), text, "{name}");
        }
        assert!(pattern("*.example.com").covers(&pattern("*.a.example.com")));
        assert!(pattern("*.example.com").covers(&pattern("a.example.com")));
        assert!(!pattern("*.example.com").covers(&pattern("example.com")));
        assert!(!pattern("*.a.example.com").covers(&pattern("*.example.com")));
        assert!(!pattern("a.example.com").covers(&pattern("*.a.example.com")));
    }

    #[test]
    fn patterns_that_no_canonical_host_could_match_are_refused() {
        let rows = [
            ("Example.com", HostPatternFault::UpperCase),
            ("example.com:443", HostPatternFault::Port),
            ("*", HostPatternFault::Wildcard),
            ("a.*.com", HostPatternFault::Wildcard),
            ("*.*.com", HostPatternFault::Wildcard),
            ("a*.com", HostPatternFault::Wildcard),
            ("*.[::1]", HostPatternFault::Wildcard),
            ("[0::1]", HostPatternFault::Host(HostFault::Address)),
            ("", HostPatternFault::Host(HostFault::Empty)),
            ("*.", HostPatternFault::Host(HostFault::Empty)),
            ("example.com.", HostPatternFault::Host(HostFault::TrailingDot)),
            ("https://example.com", HostPatternFault::Port),
            ("example.com/path", HostPatternFault::Host(HostFault::Character)),
        ];
        for (text, fault) in rows {
            assert_eq!(HostPattern::parse(text), Err(fault), "{text:?}");
        }
    }
}
