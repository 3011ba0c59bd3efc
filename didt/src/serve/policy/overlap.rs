//! Earlier rules that take requests away from a later, stricter one.
//!
//! The first rule that matches applies. A rule that lies within a later one is an exception from
//! it, as `/static/**` is from `/**`. One that reaches beyond is hardly meant to: a rule for
//! `/static/**` on any host, before a strict one for all of `admin.example.com`, opens a part of
//! that host.

use std::net::IpAddr;

use http::Method;

use super::{Access, Admit, Policy, Requests, Rule, Target};

/// An earlier rule, a later and stricter one, and a request that only the earlier one decides on.
#[derive(Debug)]
pub(crate) struct Overlap<'a> {
    pub(crate) earlier: &'a Rule,
    pub(crate) later: &'a Rule,
    pub(crate) request: Target,
}

impl Policy {
    /// All such pairs, in the order of the rules.
    pub(crate) fn overlaps(&self) -> impl Iterator<Item = Overlap<'_>> {
        self.rules().iter().enumerate().flat_map(move |(number, later)| {
            let before = self.rules().iter().take(number);
            before.filter_map(move |earlier| {
                if !laxer(earlier, later) || later.requests.cover(&earlier.requests) {
                    return None;
                }
                let client = client(&earlier.requests, &later.requests)?;
                let request =
                    meet(&earlier.requests, &later.requests).into_iter().find(|target| {
                        let rule = self.rule_for(target, client);
                        rule.is_some_and(|rule| std::ptr::eq(rule, earlier))
                            && later.matches(target, client)
                    })?;
                Some(Overlap { earlier, later, request })
            })
        })
    }
}

/// Whether `earlier` lets someone pass whom `later` would stop.
pub(super) fn laxer(earlier: &Rule, later: &Rule) -> bool {
    let admits_more = match (&earlier.admit, &later.admit) {
        (_, Admit::AnyKey) => false,
        (Admit::AnyKey, _) | (Admit::Known, Admit::Listed(_)) => true,
        (Admit::Known, Admit::Known) => false,
        (Admit::Listed(one), Admit::Known) => !one.issuers.is_empty(),
        (Admit::Listed(one), Admit::Listed(other)) => {
            !(one.issuers.is_subset(&other.issuers) && one.emails.is_subset(&other.emails))
        }
    };
    match (earlier.access, later.access) {
        (Access::Fresh(one), Access::Fresh(other)) => one > other || admits_more,
        (Access::Required, Access::Fresh(_)) => true,
        (one, other) if one.asks_for_somebody() && other.asks_for_somebody() => admits_more,
        (one, other) => !one.asks_for_somebody() && other.asks_for_somebody(),
    }
}

/// How many pairs of patterns are looked at for one pair of rules. More only cost a warning.
const MAX_EXAMPLES: usize = 64;

/// Where a client is whom both are about; `None` where there is none, `Some(None)` where it does not matter.
fn client(one: &Requests, other: &Requests) -> Option<Option<IpAddr>> {
    match (one.networks.as_deref(), other.networks.as_deref()) {
        (None, None) => Some(None),
        (Some(only), None) | (None, Some(only)) => {
            only.first().map(|network| Some(network.example()))
        }
        (Some(one), Some(other)) => {
            let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
            pairs.take(MAX_EXAMPLES).find_map(|(one, other)| one.meet(*other)).map(Some)
        }
    }
}

/// Requests that both match, one for each pair of patterns.
fn meet(one: &Requests, other: &Requests) -> Vec<Target> {
    let method = match (&one.methods, &other.methods) {
        (None, None) => Some(Method::GET),
        (Some(methods), None) | (None, Some(methods)) => methods.first().cloned(),
        (Some(one), Some(other)) => one.iter().find(|method| other.contains(method)).cloned(),
    };
    let hosts =
        pairs(one.hosts.as_deref(), other.hosts.as_deref(), |one, other| match (one, other) {
            (Some(one), Some(other)) => one.meet(other),
            (Some(only), None) | (None, Some(only)) => Some(only.example()),
            (None, None) => Some("example.com".to_owned()),
        });
    let paths =
        pairs(one.paths.as_deref(), other.paths.as_deref(), |one, other| match (one, other) {
            (Some(one), Some(other)) => one.meet(other),
            (Some(only), None) | (None, Some(only)) => only.meet(only),
            (None, None) => Some("/".to_owned()),
        });
    let Some(method) = method else { return Vec::new() };
    let requests = hosts.iter().flat_map(|host| paths.iter().map(move |path| (host, path)));
    let targets = requests.filter_map(|(host, path)| {
        let [method, host, path] = [method.as_str(), host, path].map(str::as_bytes);
        Target::new(method, b"https", host, path).ok()
    });
    targets.take(MAX_EXAMPLES).collect()
}

fn pairs<T: Clone>(
    one: Option<&[T]>,
    other: Option<&[T]>,
    meet: impl Fn(Option<&T>, Option<&T>) -> Option<String>,
) -> Vec<String> {
    let all = |list: Option<&[T]>| -> Vec<Option<T>> {
        list.map_or_else(|| vec![None], |list| list.iter().cloned().map(Some).collect())
    };
    let (one, other) = (all(one), all(other));
    let pairs = one.iter().flat_map(|one| other.iter().map(move |other| (one, other)));
    pairs.filter_map(|(one, other)| meet(one.as_ref(), other.as_ref())).take(MAX_EXAMPLES).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::time::Duration;

    use tower_didt::testing::Wallet;

    use super::super::{HostPattern, PathPattern};

    use super::*;

    fn rule(name: &str, host: Option<&str>, path: &str, access: Access, listed: &[&str]) -> Rule {
        let list: HashSet<_> = listed.iter().map(|seed| Wallet::from_seed(seed).issuer()).collect();
        Rule {
            name: name.to_owned(),
            access,
            passes_foreign: false,
            keeps_slashes: false,
            admit: if list.is_empty() {
                Admit::AnyKey
            } else {
                Admit::Listed(Arc::new(list.into()))
            },
            requests: Requests {
                hosts: host.map(|host| vec![HostPattern::parse(host).expect("a host")]),
                methods: None,
                paths: Some(vec![PathPattern::parse(path).expect("a path")]),
                networks: None,
            },
        }
    }

    fn found(earlier: Rule, later: Rule) -> Option<String> {
        let policy =
            Policy::new(vec![earlier, later], Rule::otherwise(Access::Public, Admit::nobody()));
        let overlap = policy.overlaps().next()?;
        let Target { host, path, .. } = &overlap.request;
        Some(format!("{host}{path}"))
    }

    #[test]
    fn a_laxer_rule_that_cuts_into_a_later_one_is_shown_with_a_request() {
        let admin =
            || rule("admin", Some("admin.example.com"), "/**", Access::Required, &["alice"]);
        let any = |path, access| rule("earlier", None, path, access, &[]);
        let hosts = |host| rule("earlier", Some(host), "/static/**", Access::Public, &[]);
        let rows = [
            ("public", any("/static/**", Access::Public), Some("admin.example.com/static/x")),
            ("optional", any("/", Access::Optional), Some("admin.example.com/")),
            ("of any key", any("/api/*", Access::Required), Some("admin.example.com/api/x")),
            ("wider hosts", hosts("*.example.com"), Some("admin.example.com/static/x")),
            ("another host", hosts("www.example.com"), None),
            ("an exception of that host", hosts("admin.example.com"), None),
            ("as strict", rule("earlier", None, "/x", Access::Required, &["alice"]), None),
            (
                "other people",
                rule("earlier", None, "/x", Access::Required, &["bob"]),
                Some("admin.example.com/x"),
            ),
        ];
        for (name, earlier, expected) in rows {
            assert_eq!(found(earlier, admin()).as_deref(), expected, "{name}");
        }
        let fresh = |minutes: u64| Access::Fresh(Duration::from_secs(60 * minutes));
        let payments = |access| rule("later", None, "/pay/*", access, &[]);
        let wide = |access| rule("earlier", None, "/*/card", access, &[]);
        assert_eq!(
            found(wide(fresh(30)), payments(fresh(10))).as_deref(),
            Some("example.com/pay/card")
        );
        assert_eq!(found(wide(fresh(5)), payments(fresh(10))), None);
        assert_eq!(found(payments(fresh(10)), wide(Access::Required)), None);
    }
}
