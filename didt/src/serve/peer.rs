//! Who is at the other end of a connection, and whose forwarded headers are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use ipnet::IpNet;

/// The other end of a connection. The server puts it into the extensions of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Ip(IpAddr),
    /// A unix socket has no address: who may connect is up to the file's permissions.
    Unix,
}

/// The address that a request comes from, as far as trusted proxies tell. For logs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

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

impl Client {
    /// Reads `X-Forwarded-For` from its end, where each proxy has appended what it saw, up to the
    /// first address that is no trusted proxy's. What stands before it is anybody's word.
    pub(crate) fn new(peer: Peer, headers: &HeaderMap, trusted: &TrustedProxies) -> Self {
        let direct = match peer {
            Peer::Ip(address) => Some(address.to_canonical()),
            Peer::Unix => None,
        };
        if !trusted.contain(peer) {
            return Self(direct);
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut client = direct;
        for hop in hops {
            let hop = std::str::from_utf8(hop.trim_ascii()).ok();
            let Some(address) = hop.and_then(|hop| hop.parse::<IpAddr>().ok()) else { break };
            client = Some(address.to_canonical());
            if !trusted.contain(Peer::Ip(address)) {
                break;
            }
        }
        Self(client)
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

    /// CVE-2026-40575, CVE-2026-76835: what an unlisted peer forwards is its own word.
    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxys() {
        let trusted = TrustedProxies::new(["10.0.0.0/8", "unix"]).expect("valid");
        let proxy = Peer::Ip(IpAddr::from([10, 0, 0, 1]));
        let stranger = Peer::Ip(IpAddr::from([192, 0, 2, 1]));
        let rows: [(&str, Peer, &[&str], Option<&str>); 8] = [
            (
                "a stranger is the client, whatever it says",
                stranger,
                &["203.0.113.9"],
                Some("192.0.2.1"),
            ),
            ("a proxy tells", proxy, &["203.0.113.9"], Some("203.0.113.9")),
            ("the last word counts", proxy, &["198.51.100.1, 203.0.113.9"], Some("203.0.113.9")),
            ("trusted hops are skipped", proxy, &["203.0.113.9, 10.1.1.1"], Some("203.0.113.9")),
            (
                "two lines are one list",
                proxy,
                &["198.51.100.1", "203.0.113.9"],
                Some("203.0.113.9"),
            ),
            ("nonsense ends it", proxy, &["203.0.113.9, unknown, 10.1.1.1"], Some("10.1.1.1")),
            ("a proxy that tells nothing", proxy, &[], Some("10.0.0.1")),
            ("a socket that tells nothing", Peer::Unix, &[], None),
        ];
        for (name, peer, lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("x-forwarded-for", line.parse().expect("a value"));
            }
            let expected = expected.map(|text| text.parse().expect("an address"));
            assert_eq!(Client::new(peer, &headers, &trusted), Client(expected), "{name}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["", "localhost", "10.0.0.0/33", "*", "Unix", "10.0.0.1 "] {
            assert!(TrustedProxies::new([bad]).is_err(), "{bad:?}");
        }
    }
}
