//! Who is at the other end of a connection, and whose forwarded headers are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// The other end of a connection. The server puts it into the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Ip(IpAddr),
    /// A unix socket has no address: who may connect is up to the file's permissions.
    Unix,
}

/// The proxies whose forwarded headers are believed. Empty by default: nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<TrustedProxy>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TrustedProxy {
    Net(IpNet),
    Unix,
}

impl TrustedProxies {
    /// Reads addresses, networks (`10.0.0.0/8`) and the word `unix`.
    pub(crate) fn new<'a>(
        proxies: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, InvalidProxy> {
        proxies.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    pub(crate) fn contain(&self, peer: Peer) -> bool {
        self.0.iter().any(|proxy| match (proxy, peer) {
            (TrustedProxy::Net(net), Peer::Ip(address)) => net.contains(&address.to_canonical()),
            (TrustedProxy::Unix, Peer::Unix) => true,
            _ => false,
        })
    }
}

impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Net(IpNet::from(address.to_canonical())));
        }
        text.parse().map(Self::Net).map_err(|_| InvalidProxy(text.to_owned()))
    }
}

/// A trusted proxy that is no address, no network and not `unix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvalidProxy(String);

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no IP address, no network such as 10.0.0.0/8, and not \"unix\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwarded_headers_are_believed_from_listed_proxies_only() {
        let proxies = TrustedProxies::new(["127.0.0.1", "10.0.0.0/8", "::1"]).expect("valid");
        let rows = [
            ("127.0.0.1", true),
            ("127.0.0.2", false),
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("::1", true),
            ("::2", false),
            ("::ffff:127.0.0.1", true),
        ];
        for (address, trusted) in rows {
            let peer = Peer::Ip(address.parse().expect("an address"));
            assert_eq!(proxies.contain(peer), trusted, "{address}");
        }
        assert!(!proxies.contain(Peer::Unix), "a socket has to be listed too");
        assert!(TrustedProxies::new(["unix"]).expect("valid").contain(Peer::Unix));
    }

    #[test]
    fn an_empty_list_trusts_nobody() {
        let proxies = TrustedProxies::default();
        assert!(!proxies.contain(Peer::Ip(IpAddr::from([127, 0, 0, 1]))));
        assert!(!proxies.contain(Peer::Unix));
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "localhost", "10.0.0.0/33", "*", "Unix", "10.0.0.1 "] {
            assert!(TrustedProxies::new([bad]).is_err(), "{bad:?}");
        }
    }
}
