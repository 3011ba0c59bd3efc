//! Networks that a rule is about: where clients are, as far as trusted proxies say.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

/// Where IPv6 writes IPv4 addresses. Clients are compared as IPv4 there.
const MAPPED: &str = "::ffff:0:0/96";

/// A network, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network(IpNet);

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(IpNet::from(address.to_canonical())));
        }
        let net: IpNet = text.parse().map_err(|_| {
            "is neither a network, such as 10.0.0.0/8 or fd00::/8, nor an IP address".to_owned()
        })?;
        if net.trunc() != net {
            return Err(format!(
                "is an address within a network; write {} for the network, or {} for the address only",
                net.trunc(),
                net.addr()
            ));
        }
        if MAPPED.parse::<IpNet>().is_ok_and(|mapped| mapped.contains(&net)) {
            return Err("is IPv4 in IPv6; write it as IPv4, such as 10.0.0.0/8".to_owned());
        }
        Ok(Self(net))
    }

    pub(crate) fn contains(self, client: IpAddr) -> bool {
        self.0.contains(&client.to_canonical())
    }

    /// Whether all of the other's addresses are in this one.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.0.contains(&other.0)
    }

    /// An address in both.
    pub(crate) fn meet(self, other: Self) -> Option<IpAddr> {
        if self.covers(other) {
            Some(other.example())
        } else {
            other.covers(self).then(|| self.example())
        }
    }

    /// One of its addresses.
    pub(crate) fn example(self) -> IpAddr {
        self.0.addr()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_in_it_whatever_family_they_are_written_in() {
        let rows = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "::10.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("::ffff:10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "203.0.113.9", false),
        ];
        for (network, client, inside) in rows {
            let read = Network::parse(network).expect(network);
            assert_eq!(read.contains(client.parse().expect(client)), inside, "{network} {client}");
        }
    }

    #[test]
    fn a_network_covers_what_is_within_it_and_meets_only_what_shares_an_address() {
        let network = |text: &str| Network::parse(text).expect(text);
        let (wide, narrow) = (network("10.0.0.0/8"), network("10.1.0.0/16"));
        assert!(wide.covers(narrow) && wide.covers(wide) && !narrow.covers(wide));
        assert_eq!(wide.meet(narrow), Some(narrow.example()));
        assert_eq!(narrow.meet(wide), Some(narrow.example()));
        for other in ["11.0.0.0/8", "fd00::/8"] {
            assert_eq!(wide.meet(network(other)), None, "{other}");
        }
    }

    #[test]
    fn what_may_be_a_slip_is_refused_with_what_is_right() {
        let rows = [
            ("10.1.2.3/8", "write 10.0.0.0/8 for the network, or 10.1.2.3"),
            ("fd00::1/8", "write fd00::/8"),
            ("::ffff:10.0.0.0/104", "is IPv4"),
            ("10.0.0.0/33", "neither"),
            ("10.0.0", "neither"),
            ("localhost", "neither"),
            ("", "neither"),
            ("10.0.0.0/8 ", "neither"),
        ];
        for (text, expected) in rows {
            let told = Network::parse(text).expect_err(text);
            assert!(told.contains(expected), "{text}: {told}");
        }
    }
}
