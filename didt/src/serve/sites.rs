//! Several sites in one process, found by host or by name.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::policy::{HostFault, HostPattern, host_name};

/// The longest name. It becomes part of the names of Redis's keys and of databases' tables.
const MAX_NAME_LEN: usize = 32;

/// What logs, metrics and administration call a site, and what its sessions are kept under.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SiteName(Arc<str>);

impl SiteName {
    /// Lower-case letters, digits and single hyphens between them, beginning with a letter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let word = |word: &str| {
            !word.is_empty()
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let good = text.len() <= MAX_NAME_LEN
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.split('-').all(word);
        good.then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for SiteName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SiteName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not a site's name"))
    }
}

impl FromStr for SiteName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).ok_or("is not a site's name")
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A site by name, and the hosts that are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: SiteName,
    pub(crate) hosts: Vec<HostPattern>,
}

/// Something for each site: for the one that answers every host, or for each of several that have
/// hosts of their own. No two of them have a host in common.
#[derive(Clone, Debug)]
pub(crate) struct Sites<T> {
    first: (Option<Named>, T),
    others: Vec<(Option<Named>, T)>,
    /// `None` where the first is the only one.
    table: Option<Arc<Table>>,
}

/// Which site a host belongs to, by the site's place in the list.
#[derive(Debug)]
struct Table {
    exact: HashMap<String, usize>,
    /// `.example.com` for `*.example.com`.
    below: HashMap<String, usize>,
}

impl Table {
    fn find(&self, name: &str) -> Option<usize> {
        let mut suffixes = name.match_indices('.').filter_map(|(at, _)| name.get(at..));
        self.exact.get(name).or_else(|| suffixes.find_map(|suffix| self.below.get(suffix))).copied()
    }
}

impl<T> Sites<T> {
    /// One site, which answers every host.
    pub(crate) const fn one(only: T) -> Self {
        Self { first: (None, only), others: Vec::new(), table: None }
    }

    /// Several sites. `None` where there is none.
    ///
    /// The caller has made sure that no two of them have a host in common.
    pub(crate) fn several(sites: Vec<(Named, T)>) -> Option<Self> {
        let mut table = Table { exact: HashMap::new(), below: HashMap::new() };
        for (place, (Named { hosts, .. }, _)) in sites.iter().enumerate() {
            for host in hosts {
                match host {
                    HostPattern::Exact(name) => table.exact.insert(name.clone(), place),
                    HostPattern::Below(suffix) => table.below.insert(suffix.clone(), place),
                };
            }
        }
        let mut sites = sites.into_iter().map(|(named, it)| (Some(named), it));
        let first = sites.next()?;
        Some(Self { first, others: sites.collect(), table: Some(Arc::new(table)) })
    }

    /// The site of a request with this `Host`, in any spelling. `Ok(None)` if no site has the host.
    pub(crate) fn of_host(&self, host: &[u8]) -> Result<Option<&T>, HostFault> {
        let Some(table) = &self.table else { return Ok(Some(&self.first.1)) };
        Ok(table.find(&host_name(host)?).and_then(|place| self.at(place)))
    }

    fn at(&self, place: usize) -> Option<&T> {
        self.iter().nth(place).map(|(_, it)| it)
    }

    /// The only one, or the first of several: for what is the same for all of them.
    pub(crate) const fn first(&self) -> &T {
        &self.first.1
    }

    /// Whether sites have names.
    pub(crate) const fn are_several(&self) -> bool {
        self.table.is_some()
    }

    /// All of them, in the order of the settings.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Option<&Named>, &T)> {
        std::iter::once(&self.first).chain(&self.others).map(|(named, it)| (named.as_ref(), it))
    }

    /// The site of this name; without a name, the only one.
    pub(crate) fn named(&self, name: Option<&SiteName>) -> Option<&T> {
        let named = |named: Option<&Named>| named.map(|named| named.name.clone());
        self.iter().find(|(other, _)| named(*other).as_ref() == name).map(|(_, it)| it)
    }

    /// The same sites with something else for each.
    pub(crate) fn try_map<U, E>(
        self,
        mut map: impl FnMut(Option<&Named>, T) -> Result<U, E>,
    ) -> Result<Sites<U>, E> {
        let Self { first: (named, first), others, table } = self;
        let first = map(named.as_ref(), first)?;
        let others = others.into_iter().map(|(named, it)| {
            let it = map(named.as_ref(), it)?;
            Ok((named, it))
        });
        let others = others.collect::<Result<_, E>>()?;
        Ok(Sites { first: (named, first), others, table })
    }

    /// The same sites with something else for each.
    pub(crate) fn map<'a, U>(
        &'a self,
        mut map: impl FnMut(Option<&'a SiteName>, &'a T) -> U,
    ) -> Sites<U> {
        let mut one = |(named, it): &'a (Option<Named>, T)| {
            (named.clone(), map(named.as_ref().map(|named| &named.name), it))
        };
        Sites {
            first: one(&self.first),
            others: self.others.iter().map(one).collect(),
            table: self.table.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, hosts: &[&str]) -> Named {
        let host = |text: &&str| HostPattern::parse(text).expect("a host");
        Named {
            name: SiteName::parse(name).expect("a name"),
            hosts: hosts.iter().map(host).collect(),
        }
    }

    #[test]
    fn a_host_belongs_to_the_site_that_names_it_in_whatever_spelling() {
        let sites = Sites::several(vec![
            (named("shop", &["shop.example.com", "[2001:db8::1]"]), 1),
            (named("blog", &["*.blog.example", "192.0.2.1"]), 2),
        ]);
        let sites = sites.expect("two");
        let rows = [
            ("shop.example.com", Ok(Some(1))),
            ("SHOP.Example.com:8443", Ok(Some(1))),
            ("[2001:DB8:0::1]:443", Ok(Some(1))),
            ("a.blog.example", Ok(Some(2))),
            ("a.b.blog.example:80", Ok(Some(2))),
            ("192.0.2.1", Ok(Some(2))),
            ("blog.example", Ok(None)),
            ("xblog.example", Ok(None)),
            ("example.com", Ok(None)),
            ("a.shop.example.com", Ok(None)),
            ("shop.example.com.", Err(HostFault::TrailingDot)),
            (".blog.example", Err(HostFault::Label)),
            ("", Err(HostFault::Empty)),
            ("shop.example.com@blog.example", Err(HostFault::UserInfo)),
        ];
        for (host, expected) in rows {
            assert_eq!(
                sites.of_host(host.as_bytes()).map(Option::<&i32>::copied),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn the_only_site_answers_every_host() {
        let sites = Sites::one(1);
        for host in ["example.com", "", "a b"] {
            assert_eq!(sites.of_host(host.as_bytes()), Ok(Some(&1)), "{host}");
        }
        assert_eq!(sites.named(None), Some(&1));
        assert_eq!(sites.named(SiteName::parse("shop").as_ref()), None);
    }

    #[test]
    fn a_name_is_a_word_of_every_stores() {
        for good in ["a", "shop", "shop-2", "a1-b2", &"a".repeat(MAX_NAME_LEN)] {
            assert!(SiteName::parse(good).is_some(), "{good}");
        }
        let long = "a".repeat(MAX_NAME_LEN + 1);
        for bad in ["", "Shop", "1a", "-a", "a-", "a--b", "a_b", "a.b", "a b", "ä", &long] {
            assert!(SiteName::parse(bad).is_none(), "{bad}");
        }
    }
}
