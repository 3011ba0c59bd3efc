//! Scheme, host and port: where a return address leads.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ReturnFault;
use crate::middleware::Origin;

/// The most bytes between two dots of a host name (RFC 1035 section 2.3.4).
const MAX_LABEL_LEN: usize = 63;

/// The origin of an `http` or `https` URL whose host every browser reads alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site(Origin);

impl Site {
    /// Reads `host` or `host:port`, for URLs of this scheme.
    pub(super) fn parse(authority: &str, https: bool) -> Result<Self, ReturnFault> {
        let scheme = if https { "https" } else { "http" };
        let origin = format!("{scheme}://{authority}").parse::<Origin>();
        let origin = origin.map_err(|_| ReturnFault::Host)?;
        let host = origin.host();
        let labels = host.starts_with('[') || host.split('.').all(is_label);
        // What ends in a number is an IPv4 address to a browser, in any of a dozen spellings.
        let last = host.rsplit('.').next().unwrap_or_default();
        let numeric = last.starts_with(|first: char| first.is_ascii_digit());
        let address = host.parse::<Ipv4Addr>().is_ok();
        (labels && (!numeric || address)).then_some(Self(origin)).ok_or(ReturnFault::Host)
    }

    pub(super) const fn origin(&self) -> &Origin {
        &self.0
    }

    /// The host is this machine: plain HTTP never leaves it.
    pub(super) fn is_loopback(&self) -> bool {
        let bare = self.0.host().trim_start_matches('[').trim_end_matches(']');
        self.0.host() == "localhost"
            || self.0.host().ends_with(".localhost")
            || bare.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || bare.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
    }

    /// The host is `domain` or below it, on the scheme's own port: on another one is
    /// another service, which has to be listed.
    pub(super) fn is_below(&self, domain: &str) -> bool {
        let Some(front) = self.0.host().strip_suffix(domain) else { return false };
        // A browser refuses a name whose Punycode is not valid; whose is, has to be listed.
        let puny = front.split('.').any(|label| label.starts_with("xn--"));
        self.0.port().is_none() && !puny && (front.is_empty() || front.ends_with('.'))
    }
}

/// Not empty either, as behind a trailing dot.
fn is_label(label: &str) -> bool {
    let length = (1..=MAX_LABEL_LEN).contains(&label.len());
    length && !label.starts_with('-') && !label.ends_with('-')
}
