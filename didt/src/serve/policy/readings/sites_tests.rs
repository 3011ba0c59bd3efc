//! Several sites: nobody who reads a host or a path in another way meets another site, or a stricter rule.

use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::super::{HostPattern, Policy};
use super::tests::{LEVELS, nobody_reads_it_so_at, policies, policy, rule, targets};
use crate::serve::sites::{Named, SiteName, Sites};

/// Hosts that sites may have; no two rows have one in common.
const HOSTS: [(&str, &[&str]); 4] = [
    ("shop", &["shop.example.com", "[2001:db8::1]"]),
    ("below", &["*.blog.example"]),
    ("blog", &["blog.example", "192.0.2.1"]),
    ("docs", &["docs.example.com", "*.docs.example.com"]),
];

/// What requests are for: hosts of sites, of none, and several at once.
const NAMES: [&str; 15] = [
    "shop.example.com",
    "[2001:db8::1]",
    "[2001:DB8:0:0::1]",
    "a.blog.example",
    "a.b.blog.example",
    "blog.example",
    "192.0.2.1",
    "docs.example.com",
    "a.docs.example.com",
    "other.example.com",
    "xblog.example",
    "shop.example.com@blog.example",
    "shop.example.com, blog.example",
    "shop.example.com%2eblog.example",
    "\u{ff53}hop.example.com",
];

const SUFFIXES: [&str; 10] =
    ["", "", "", ":443", ":8443", ".", ".:443", ":", ":0", "/docs.example.com"];

/// A program's name, and the host that it takes a `Host` for, in lower case; `None` where it refuses.
type Reader = (&'static str, fn(&str) -> Option<String>);

/// Programs that read hosts, as their documentation and sources say, written without a look at `host`.
const READERS: [Reader; 5] = [
    // One dot at the end is left out, and so is a port; some characters are refused.
    ("nginx", |host| {
        let name = without_port(host);
        let bad = |character: char| character.is_control() || matches!(character, '/' | ' ');
        (!name.contains(bad)).then(|| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
    }),
    ("Caddy, Traefik", |host| Some(without_port(host).trim_end_matches('.').to_lowercase())),
    ("HAProxy, hdr(host),field(1,:)", |host| {
        Some(match host.starts_with('[') {
            true => without_port(host).to_ascii_lowercase(),
            false => host.split(':').next()?.to_ascii_lowercase(),
        })
    }),
    // Fields that came twice, joined: the last one.
    ("an application behind a proxy", |host| {
        Some(without_port(host.rsplit(',').next()?.trim()).to_lowercase())
    }),
    // What is before @ is a user's name, / ends the host, and percent signs are decoded.
    ("an application that makes a URL of it", |host| {
        let host = host.split('/').next()?.rsplit('@').next()?;
        let decoded = without_port(host).replace("%2e", ".").replace('\u{ff53}', "s");
        Some(decoded.trim_end_matches('.').to_lowercase())
    }),
];

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => host,
    }
}

/// The site that a reader takes a host for.
fn owner(sites: &[usize], host: &str) -> Option<usize> {
    let address = |text: &str| text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let is = |pattern: &str| match pattern.strip_prefix('*') {
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => pattern == host || (address(host).is_some() && address(pattern) == address(host)),
    };
    sites.iter().copied().find(|site| HOSTS[*site].1.iter().any(|pattern| is(pattern)))
}

type Rules = Vec<(&'static str, u8, bool)>;

/// The sites of these numbers, each with rules of its own.
fn guarded(numbers: &[usize], rules: &[Rules]) -> Sites<(usize, Policy)> {
    let site = |(number, rules): (&usize, &Rules)| {
        let (name, hosts) = HOSTS[*number];
        let name = SiteName::parse(name).expect("a name");
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).expect("a host")).collect();
        let rules = rules.iter().enumerate().map(|(place, (path, level, keeps))| {
            let mut rule = rule(&place.to_string(), path, LEVELS[usize::from(*level)], *keeps);
            // Some rules are about one host of the site.
            if place == 1 && *number == 3 {
                rule.requests.hosts =
                    Some(vec![HostPattern::parse("a.docs.example.com").expect("one")]);
            }
            rule
        });
        (Named { name, hosts }, (*number, policy(rules.collect())))
    };
    Sites::several(numbers.iter().zip(rules).map(site).collect()).expect("some")
}

/// Whether the request is decided on by some site's rule.
fn nobody_reads_it_otherwise(
    sites: &Sites<(usize, Policy)>,
    numbers: &[usize],
    host: &str,
    uri: &str,
) -> Result<bool, TestCaseError> {
    let Ok(Some((decides, policy))) = sites.of_host(host.as_bytes()) else { return Ok(false) };
    for (reader, read) in READERS {
        let Some(other) = read(host).and_then(|name| owner(numbers, &name)) else { continue };
        prop_assert_eq!(
            other,
            *decides,
            "{:?} is decided on at {}, and {} reads it as a host of {}",
            host,
            HOSTS[*decides].0,
            reader,
            HOSTS[other].0,
        );
    }
    Ok(nobody_reads_it_so_at(policy, host, uri)?.is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn of_several_sites_nobody_reads_an_accepted_request_into_another_site_or_a_stricter_rule(
        numbers in prop::sample::subsequence(vec![0_usize, 1, 2, 3], 2..=4),
        rules in prop::collection::vec(policies(), 4),
        name in prop::sample::select(NAMES.to_vec()),
        suffix in prop::sample::select(SUFFIXES.to_vec()),
        upper in any::<bool>(),
        uris in targets(),
    ) {
        let sites = guarded(&numbers, &rules);
        let host = format!("{name}{suffix}");
        let host = if upper { host.to_uppercase() } else { host };
        for uri in &uris {
            nobody_reads_it_otherwise(&sites, &numbers, &host, uri)?;
        }
    }
}

/// The property has something to say: hosts of each site are accepted, and what is several hosts is not.
#[test]
fn hosts_of_each_site_are_decided_on_and_those_of_two_are_not() {
    let numbers = [0, 1, 2, 3];
    let sites = guarded(&numbers, &vec![vec![("/**", 0, false)]; 4]);
    let decides = |host: &str| {
        nobody_reads_it_otherwise(&sites, &numbers, host, "/a%2Fb")
            .unwrap_or_else(|it| panic!("{it}"))
    };
    for host in [
        "SHOP.example.com",
        "[2001:DB8:0:0::1]:443",
        "a.blog.example:8443",
        "blog.example",
        "192.0.2.1:80",
        "a.docs.example.com",
    ] {
        assert!(decides(host), "{host}");
    }
    for host in [
        "shop.example.com@blog.example",
        "shop.example.com, blog.example",
        "shop.example.com%2eblog.example",
        "\u{ff53}hop.example.com",
        "shop.example.com.",
        "shop.example.com/docs.example.com",
        "other.example.com",
        "xblog.example",
    ] {
        assert!(!decides(host), "{host}");
    }
}
