//! One rule of the policy.

use std::fmt;
use std::net::IpAddr;

use http::Method;

use super::{Access, Admit, HostPattern, Network, PathPattern, Target};

/// Which requests a rule is about, and what it asks for.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What logs and `didt explain` call it.
    pub(crate) name: String,
    pub(crate) access: Access,
    /// Which signed-in callers pass, if `access` requires sign-in; otherwise without effect.
    pub(crate) admit: Admit,
    /// Leaves an `Authorization` that is no DID token to the application. Public rules always do.
    pub(crate) passes_foreign: bool,
    /// Says that the gateway and the service keep `%2F` in a path as it is. Defaults to no.
    pub(crate) keeps_slashes: bool,
    /// Which requests it is about. Defaults to all.
    pub(crate) requests: Requests,
}

impl Rule {
    /// What applies where no rule does, under the name `default`.
    pub(crate) fn otherwise(access: Access, admit: Admit) -> Self {
        let (name, requests) = (Self::OTHERWISE.to_owned(), Requests::default());
        Self { name, access, admit, passes_foreign: false, keeps_slashes: false, requests }
    }

    /// The name of the rule that applies where no other does.
    pub(crate) const OTHERWISE: &str = "default";

    pub(crate) fn matches(&self, target: &Target, client: Option<IpAddr>) -> bool {
        self.requests.hit(target, client).is_ok()
    }

    /// Whether the application gets an `Authorization` that is no DID token.
    pub(crate) fn leaves_foreign(&self) -> bool {
        self.passes_foreign || self.access == Access::Public
    }

    /// Whether the same callers get the same answer, whichever of the two applies.
    pub(crate) fn decides_like(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || (self.access == other.access
                && self.admit == other.admit
                && self.leaves_foreign() == other.leaves_foreign())
    }

    /// A phrase for people: what the rule asks for, and of whom.
    pub(crate) fn asks_for(&self) -> String {
        if self.access.asks_for_somebody() {
            format!("{} {}", self.access, self.admit)
        } else {
            self.access.to_string()
        }
    }
}

impl Rule {
    /// Everybody whom it lists, in one order.
    pub(crate) fn admitted(&self) -> Vec<String> {
        match &self.admit {
            Admit::Listed(list) => {
                let issuers = list.issuers.iter().map(ToString::to_string);
                let emails = list.emails.iter().map(ToString::to_string);
                let mut all: Vec<_> = issuers.chain(emails).collect();
                all.sort();
                all
            }
            Admit::AnyKey | Admit::Known => Vec::new(),
        }
    }
}

/// A line for people, all but the name and who is listed.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn list<T: ToString>(items: Option<&[T]>) -> String {
            items.map_or_else(
                || "any".to_owned(),
                |items| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            )
        }
        let Requests { hosts, methods, paths, networks } = &self.requests;
        if networks.is_some() {
            write!(f, "networks {}, ", list(networks.as_deref()))?;
        }
        write!(
            f,
            "hosts {}, methods {}, paths {}, asks for {}",
            list(hosts.as_deref()),
            list(methods.as_deref()),
            list(paths.as_deref()),
            self.asks_for()
        )?;
        f.write_str(if self.keeps_slashes { ", keeps encoded slashes" } else { "" })
    }
}

/// Which requests a rule is about: those whose host, method and path are all among these. `None`
/// is any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    pub(crate) hosts: Option<Vec<HostPattern>>,
    pub(crate) methods: Option<Vec<Method>>,
    pub(crate) paths: Option<Vec<PathPattern>>,
    /// Where the client is.
    pub(crate) networks: Option<Vec<Network>>,
}

impl Requests {
    /// Whether the path decides nothing.
    pub(crate) fn are_about_all_paths(&self) -> bool {
        self.paths.as_ref().is_none_or(|paths| paths.iter().any(PathPattern::is_everything))
    }

    /// By what a request is among these, or the first thing that keeps it out.
    pub(crate) fn hit(&self, target: &Target, client: Option<IpAddr>) -> Result<Hit<'_>, Miss> {
        let (host, method) = self.host_and_method(target)?;
        let path = one(self.paths.as_deref(), |path| path.matches(&target.path));
        let path = path.ok_or(Miss::Path)?;
        Ok(Hit { host, method, path, network: self.network(client)? })
    }

    /// Whether the request would be among these with some path, and if not, why.
    pub(crate) fn hit_with_some_path(
        &self,
        target: &Target,
        client: Option<IpAddr>,
    ) -> Result<(), Miss> {
        self.host_and_method(target)?;
        self.network(client).map(drop)
    }

    fn host_and_method(
        &self,
        target: &Target,
    ) -> Result<(Option<&HostPattern>, Option<&Method>), Miss> {
        let host = one(self.hosts.as_deref(), |host| host.matches(target.host_name()));
        let method = one(self.methods.as_deref(), |method| *method == target.method);
        Ok((host.ok_or(Miss::Host)?, method.ok_or(Miss::Method)?))
    }

    fn network(&self, client: Option<IpAddr>) -> Result<Option<&Network>, Miss> {
        let inside = |network: &Network| client.is_some_and(|client| network.contains(client));
        let miss = if client.is_none() { Miss::Unknown } else { Miss::Network };
        one(self.networks.as_deref(), inside).ok_or(miss)
    }

    /// Whether these are all requests.
    pub(crate) fn are_all(&self) -> bool {
        self.hosts.is_none()
            && self.methods.is_none()
            && self.networks.is_none()
            && self.are_about_all_paths()
    }

    /// Whether all of the other's requests are among these.
    pub(crate) fn cover(&self, other: &Self) -> bool {
        all(self.hosts.as_deref(), other.hosts.as_deref(), HostPattern::covers)
            && all(self.methods.as_deref(), other.methods.as_deref(), Method::eq)
            && all(self.paths.as_deref(), other.paths.as_deref(), PathPattern::covers)
            && all(self.networks.as_deref(), other.networks.as_deref(), |own, other| {
                own.covers(*other)
            })
    }
}

/// The pattern that matched; `None` where any does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit<'a> {
    pub(crate) host: Option<&'a HostPattern>,
    pub(crate) method: Option<&'a Method>,
    pub(crate) path: Option<&'a PathPattern>,
    pub(crate) network: Option<&'a Network>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    Host,
    Method,
    Path,
    Network,
    /// Nobody knows where the client is.
    Unknown,
}

/// The first matching entry, `Some(None)` if there is no list, and `None` if none matches.
fn one<T>(patterns: Option<&[T]>, matches: impl Fn(&T) -> bool) -> Option<Option<&T>> {
    match patterns {
        None => Some(None),
        Some(patterns) => patterns.iter().find(|pattern| matches(pattern)).map(Some),
    }
}

/// Whether each of `others` is covered by one of `own`.
fn all<T>(own: Option<&[T]>, others: Option<&[T]>, covers: impl Fn(&T, &T) -> bool) -> bool {
    match (own, others) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(others)) => {
            others.iter().all(|other| own.iter().any(|own| covers(own, other)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(hosts: &[&str], methods: &[&str], paths: &[&str]) -> Requests {
        let host = |text: &&str| HostPattern::parse(text).expect("a host");
        let method = |text: &&str| text.parse().expect("a method");
        let path = |text: &&str| PathPattern::parse(text).expect("a path");
        Requests {
            hosts: (!hosts.is_empty()).then(|| hosts.iter().map(host).collect()),
            methods: (!methods.is_empty()).then(|| methods.iter().map(method).collect()),
            paths: (!paths.is_empty()).then(|| paths.iter().map(path).collect()),
            networks: None,
        }
    }

    fn target(method: &str, host: &str, path: &str) -> Target {
        Target::new(method.as_bytes(), b"https", host.as_bytes(), path.as_bytes()).expect("one")
    }

    #[test]
    fn host_method_and_path_must_all_match() {
        let requests = requests(&["*.example.com"], &["GET", "HEAD"], &["/a", "/b/**"]);
        let rows = [
            ("all", target("HEAD", "x.example.com", "/b/c?d"), None),
            ("any port", target("GET", "x.example.com:8443", "/a"), None),
            ("other host", target("GET", "example.com", "/a"), Some(Miss::Host)),
            ("other method", target("POST", "x.example.com", "/a"), Some(Miss::Method)),
            ("other path", target("GET", "x.example.com", "/c"), Some(Miss::Path)),
        ];
        for (name, target, miss) in rows {
            assert_eq!(requests.hit(&target, None).err(), miss, "{name}");
        }
        let target = target("GET", "x.example.com", "/b/");
        let hit = requests.hit(&target, None).expect("a hit");
        assert_eq!(hit.path.map(ToString::to_string).as_deref(), Some("/b/**"));
        assert!(Requests::default().hit(&target, None).is_ok(), "nothing said is anything");
    }

    #[test]
    fn a_rule_covers_another_if_it_does_in_all_three() {
        let first = requests(&["*.example.com"], &["GET"], &["/a/**", "/b"]);
        let rows = [
            ("itself", requests(&["*.example.com"], &["GET"], &["/b", "/a/**"]), true),
            ("part", requests(&["x.example.com"], &["GET"], &["/a/x"]), true),
            ("any host", requests(&[], &["GET"], &["/b"]), false),
            ("any method", requests(&["x.example.com"], &[], &["/b"]), false),
            ("any path", requests(&["x.example.com"], &["GET"], &[]), false),
            ("one path more", requests(&["x.example.com"], &["GET"], &["/b", "/c"]), false),
        ];
        for (name, second, covered) in rows {
            assert_eq!(first.cover(&second), covered, "{name}");
            assert!(Requests::default().cover(&second), "{name}");
        }
    }
}
