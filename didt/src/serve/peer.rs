//! Who is at the other end of a connection, and whose forwarded headers are believed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
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

/// The address that a request comes from, according to trusted proxies. For logs only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(pub(crate) Option<IpAddr>);

/// The proxies whose forwarded headers are believed. Empty by default.
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
    /// first address that is not a trusted proxy's. Anyone could have written what comes before it.
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
            let Some(address) = hop.and_then(hop_address) else { break };
            client = Some(address.to_canonical());
            if !trusted.contain(Peer::Ip(address)) {
                break;
            }
        }
        Self(client)
    }
}

/// An address as proxies write it: bare, in brackets, or with the client's port, as Azure's gateway
/// does.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let alone = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    alone.parse().ok().or_else(with_port)
}

/// The shortest prefixes that a network of proxies has: `10.0.0.0/8` and `fc00::/7` are the largest
/// that are private. Trusting more means trusting strangers.
const SHORTEST_PREFIX_4: u8 = 8;
const SHORTEST_PREFIX_6: u8 = 7;

/// Where IPv6 writes IPv4 addresses. Peers are compared as IPv4 there.
const MAPPED: &str = "::ffff:0:0/96";

fn check(net: IpNet) -> Result<IpNet, InvalidProxy> {
    let shortest = match net {
        IpNet::V4(_) => SHORTEST_PREFIX_4,
        IpNet::V6(_) => SHORTEST_PREFIX_6,
    };
    if net.prefix_len() < shortest {
        return Err(InvalidProxy::Everybody(net));
    }
    if net.trunc() != net {
        return Err(InvalidProxy::HostBits(net));
    }
    if MAPPED.parse::<IpNet>().is_ok_and(|mapped| mapped.contains(&net)) {
        return Err(InvalidProxy::Mapped(net));
    }
    Ok(net)
}

impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        if text == "unix" {
            return Ok(Self::Unix);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            if address.is_unspecified() {
                return Err(InvalidProxy::Nobody(address));
            }
            return Ok(Self::Net(IpNet::from(address.to_canonical())));
        }
        let net = text.parse().map_err(|_| InvalidProxy::Unknown(text.to_owned()))?;
        check(net).map(Self::Net)
    }
}

/// What cannot be a trusted proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InvalidProxy {
    /// Neither an address nor a network nor `unix`.
    Unknown(String),
    /// A network of strangers.
    Everybody(IpNet),
    /// An address with a prefix, where a network was meant, or the address only.
    HostBits(IpNet),
    /// What a listener binds to, and no peer has. Meant for everybody, most likely.
    Nobody(IpAddr),
    /// IPv4 in IPv6's spelling, which no peer has.
    Mapped(IpNet),
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => write!(
                f,
                "{text:?} is no IP address, no network such as \"10.0.0.0/8\", and not \"unix\""
            ),
            Self::Everybody(net) => write!(
                f,
                "\"{net}\" has strangers in it, and whoever is listed can name any URL; list your \
                 gateways, such as \"10.1.2.3\" or \"10.1.2.0/24\""
            ),
            Self::HostBits(net) => write!(
                f,
                "\"{net}\" is an address within a network; write \"{}\" for the network, or \"{}\" \
                 for the address only",
                net.trunc(),
                net.addr()
            ),
            Self::Nobody(address) => write!(
                f,
                "\"{address}\" is no peer's address; list your gateways, such as \"10.1.2.3\""
            ),
            Self::Mapped(net) => write!(f, "\"{net}\" is IPv4; write it that way, \"10.0.0.0/8\""),
        }
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

    /// CVE-2026-40575, CVE-2026-76835: what an unlisted peer forwards proves nothing.
    #[test]
    fn the_client_is_the_last_address_that_is_no_trusted_proxys() {
        let trusted = TrustedProxies::new(["10.0.0.0/8", "unix"]).expect("valid");
        let proxy = Peer::Ip(IpAddr::from([10, 0, 0, 1]));
        let stranger = Peer::Ip(IpAddr::from([192, 0, 2, 1]));
        let rows: [(&str, Peer, &[&str], Option<&str>); 12] = [
            ("a port", proxy, &["203.0.113.9:51234"], Some("203.0.113.9")),
            ("a port of IPv6", proxy, &["[2001:db8::9]:51234"], Some("2001:db8::9")),
            ("brackets", proxy, &["[2001:db8::9]"], Some("2001:db8::9")),
            ("a port of a trusted hop", proxy, &["203.0.113.9, 10.1.1.1:80"], Some("203.0.113.9")),
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

    #[test]
    fn networks_of_strangers_and_half_networks_are_refused_with_what_is_right() {
        let rows = [
            ("0.0.0.0/0", "strangers"),
            ("::/0", "strangers"),
            ("128.0.0.0/1", "strangers"),
            ("2000::/3", "strangers"),
            ("10.1.2.3/8", "\"10.0.0.0/8\" for the network, or \"10.1.2.3\""),
            ("fd00::1/8", "\"fd00::/8\" for the network"),
            ("::ffff:10.0.0.0/104", "is IPv4"),
        ];
        for (text, expected) in rows {
            let told = TrustedProxies::new([text]).expect_err(text).to_string();
            assert!(told.contains(expected), "{told}");
        }
        let good = ["10.0.0.0/8", "fc00::/7", "10.1.2.3/32", "::1/128", "192.168.0.0/16"];
        assert!(TrustedProxies::new(good).is_ok());
    }
}
