//! Scheme, host and port: where a return address leads.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ReturnFault;

/// The most bytes of a host name (RFC 1035 section 2.3.4).
const MAX_HOST_LEN: usize = 253;

/// The most bytes between two dots of it.
const MAX_LABEL_LEN: usize = 63;

/// An authority without user information, in the one form in which hosts are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    /// Lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

impl Site {
    /// Reads `host` or `host:port`, for URLs of this scheme.
    pub(super) fn parse(authority: &str, https: bool) -> Result<Self, ReturnFault> {
        let (host, port) = split(authority)?;
        let own_port = if https { 443 } else { 80 };
        let port = port.map(parse_port).transpose()?.filter(|port| *port != own_port);
        Ok(Self { host: canonical_host(host)?, port })
    }

    /// The host is this machine: plain HTTP never leaves it.
    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }

    /// The host is `domain` or below it, on the scheme's own port: on another one is
    /// another service, which has to be listed.
    pub(super) fn is_below(&self, domain: &str) -> bool {
        let Some(front) = self.host.strip_suffix(domain) else { return false };
        // A browser refuses a name whose Punycode is not valid; whose is, has to be listed.
        let puny = front.split('.').any(|label| label.starts_with("xn--"));
        self.port.is_none() && !puny && (front.is_empty() || front.ends_with('.'))
    }

    /// As browsers write it in `Origin`.
    pub(super) fn origin(&self, https: bool) -> String {
        let scheme = if https { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{}:{port}", self.host),
            None => format!("{scheme}://{}", self.host),
        }
    }
}

fn split(authority: &str) -> Result<(&str, Option<&str>), ReturnFault> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(ReturnFault::Host)? + 1;
        let (host, port) = authority.split_at(end);
        return match (port, port.strip_prefix(':')) {
            ("", _) => Ok((host, None)),
            (_, Some(port)) => Ok((host, Some(port))),
            _ => Err(ReturnFault::Host),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

/// As the port stands in an URL that was written by a program: without leading zeros.
fn parse_port(port: &str) -> Result<u16, ReturnFault> {
    let number: u16 = port.parse().map_err(|_| ReturnFault::Host)?;
    let canonical = number != 0 && number.to_string() == port;
    canonical.then_some(number).ok_or(ReturnFault::Host)
}

fn canonical_host(host: &str) -> Result<String, ReturnFault> {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let parsed: Ipv6Addr = address.parse().map_err(|_| ReturnFault::Host)?;
        let canonical = parsed.to_string() == address;
        return canonical.then(|| host.to_owned()).ok_or(ReturnFault::Host);
    }
    let host = host.to_ascii_lowercase();
    let labels = host.len() <= MAX_HOST_LEN && host.split('.').all(is_label);
    // What ends in a number is an IPv4 address to a browser, in any of a dozen spellings.
    let last = host.rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with(|first: char| first.is_ascii_digit());
    let address = host.parse::<Ipv4Addr>().is_ok();
    (labels && (!numeric || address)).then_some(host).ok_or(ReturnFault::Host)
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !label.is_empty()
        && label.len() <= MAX_LABEL_LEN
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
