//! What differs between two readings of the settings, without a secret.

use std::fmt;

use super::keys::{self, Scope};
use super::{Config, Loaded, Store};
use crate::serve::policy::{HostPattern, Policy, Rule};
use crate::serve::sites::{Named, SiteName, Sites};

/// What a running server keeps as it began: where it listens, what its sessions and used tokens live
/// by (another store, cookie or age would lose sessions, or let a used token sign in again), and what its
/// first line of log and its first connection decided.
const UNTIL_RESTART: [&str; 10] = [
    "listen.public",
    "listen.private",
    "cookie.name",
    "cookie.domain",
    "sessions.max_token_age",
    "sessions.expiry_leeway",
    "store.kind",
    "store.prefix",
    "limits.connections",
    "log.format",
];

/// Plain HTTP does not become HTTPS under the clients that are there.
const TLS: [&str; 2] = ["listen.tls.certificate", "listen.tls.key"];

/// Where Redis is. Sealed sessions that were ended would live again beside a ledger that is new.
const LEDGER: [&str; 4] =
    ["store.url", "store.url_file", "store.cluster_urls", "store.cluster_urls_file"];

/// The differences, in the order of the settings; the rules come last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes(Vec<Change>);

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The site that it is of; `None` for what is of all of them, or of the only one.
    pub(crate) site: Option<SiteName>,
    /// A key, `rule "name"`, or `rules` for their order.
    pub(crate) what: String,
    pub(crate) how: How,
    /// Whether a running server keeps what it has.
    pub(crate) needs_restart: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Value {
        old: String,
        new: String,
    },
    /// What the file holds that the setting names. A secret is not shown.
    Contents,
    Added(String),
    Removed(String),
}

impl Changes {
    pub(crate) fn between(old: &Sites<Loaded>, new: &Sites<Loaded>) -> Self {
        let mut changes = Vec::new();
        let (one, other) = (old.first(), new.first());
        let pinned = until_restart(&one.config, &other.config);
        if old.are_several() != new.are_several() {
            let count = |sites: &Sites<Loaded>| match sites.are_several() {
                true => format!("{} by name", sites.iter().count()),
                false => "one without a name".to_owned(),
            };
            let how = How::Value { old: count(old), new: count(new) };
            let what = "sites".to_owned();
            changes.push(Change { site: None, what, how, needs_restart: true });
        }
        let several = new.are_several();
        let of_all = |key: &str| !several || keys::scope(key) == Some(Scope::All);
        of_settings(None, one, other, &pinned, of_all, &mut changes);
        if !several {
            of_rules(None, &one.config.policy, &other.config.policy, &mut changes);
            return Self(changes);
        }
        for (named, _) in old.iter() {
            let Some(named) = named.filter(|named| new.named(Some(&named.name)).is_none()) else {
                continue;
            };
            let how = How::Removed(list(&named.hosts));
            changes.push(Change::of_site(named, "site", how));
        }
        for (named, new) in new.iter() {
            let Some(named) = named else { continue };
            let before = old.iter().find_map(|(other, it)| {
                Some((other.filter(|other| other.name == named.name)?, it))
            });
            let Some((before, old)) = before else {
                changes.push(Change::of_site(named, "site", How::Added(list(&named.hosts))));
                continue;
            };
            if before.hosts != named.hosts {
                let how = How::Value { old: list(&before.hosts), new: list(&named.hosts) };
                changes.push(Change::of_site(named, "hosts", how));
            }
            let own = |key: &str| keys::scope(key) != Some(Scope::All);
            of_settings(Some(&named.name), old, new, &pinned, own, &mut changes);
            of_rules(Some(&named.name), &old.config.policy, &new.config.policy, &mut changes);
        }
        Self(changes)
    }

    /// What is of this site, or of all of them.
    pub(crate) fn of(&self, site: Option<&SiteName>) -> Self {
        let of = |change: &&Change| change.site.is_none() || change.site.as_ref() == site;
        Self(self.0.iter().filter(of).cloned().collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a setting changed of these, or of a table where the name ends with a dot.
    pub(crate) fn touch(&self, keys: &[&str]) -> bool {
        self.0.iter().any(|change| {
            keys.iter().any(|key| match key.strip_suffix('.') {
                Some(_) => change.what.starts_with(key),
                None => change.what == *key,
            })
        })
    }

    /// The settings that a running server does not take over, if any of them changed.
    pub(super) fn pinned(&self, old: &Config, new: &Config) -> Vec<&'static str> {
        if self.0.iter().any(|change| change.needs_restart) {
            until_restart(old, new)
        } else {
            Vec::new()
        }
    }
}

fn until_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = UNTIL_RESTART.to_vec();
    if old.public.tls.is_some() != new.public.tls.is_some() {
        keys.extend(TLS);
    }
    let ledger = |config: &Config| match &config.store {
        Store::Sealed { ledger, .. } => Some(ledger.is_some()),
        _ => None,
    };
    if ledger(old) != ledger(new) {
        keys.extend(LEDGER);
    }
    keys
}

fn of_settings(
    site: Option<&SiteName>,
    old: &Loaded,
    new: &Loaded,
    pinned: &[&'static str],
    about: impl Fn(&str) -> bool,
    changes: &mut Vec<Change>,
) {
    let both = old.settings.iter().zip(&new.settings);
    for (old, new) in both.filter(|(old, _)| about(old.key)) {
        let how = if old.value != new.value {
            How::Value { old: old.value.clone(), new: new.value.clone() }
        } else if old.fingerprint != new.fingerprint {
            How::Contents
        } else {
            continue;
        };
        let needs_restart = pinned.contains(&new.key);
        changes.push(Change { site: site.cloned(), what: new.key.to_owned(), how, needs_restart });
    }
}

fn list(hosts: &[HostPattern]) -> String {
    hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn of_rules(site: Option<&SiteName>, old: &Policy, new: &Policy, changes: &mut Vec<Change>) {
    let find = |policy: &Policy, name: &str| {
        policy.all().find(|rule| rule.name == name).map(|rule| (rule.to_string(), rule.admitted()))
    };
    let mut say = |rule: &Rule, how| {
        let what = format!("rule {:?}", rule.name);
        changes.push(Change { site: site.cloned(), what, how, needs_restart: false });
    };
    for rule in old.all().filter(|rule| find(new, &rule.name).is_none()) {
        say(rule, How::Removed(rule.to_string()));
    }
    for rule in new.all() {
        let (text, admitted) = (rule.to_string(), rule.admitted());
        match find(old, &rule.name) {
            None => say(rule, How::Added(text)),
            Some((before, _)) if before != text => {
                say(rule, How::Value { old: before, new: text });
            }
            Some((_, before)) if before != admitted => {
                let only = |one: &[String], other: &[String]| {
                    let only = one.iter().filter(|name| !other.contains(name));
                    only.cloned().collect::<Vec<_>>().join(", ")
                };
                let old = format!("admits {}", only(&before, &admitted));
                say(rule, How::Value { old, new: format!("admits {}", only(&admitted, &before)) });
            }
            Some(_) => {}
        }
    }
    let order = |one: &Policy, other: &Policy| {
        let both = one.all().filter(|rule| find(other, &rule.name).is_some());
        both.map(|rule| rule.name.clone()).collect::<Vec<_>>()
    };
    let (before, after) = (order(old, new), order(new, old));
    if before != after {
        let how = How::Value { old: before.join(", "), new: after.join(", ") };
        let what = "rules".to_owned();
        changes.push(Change { site: site.cloned(), what, how, needs_restart: false });
    }
}

impl Change {
    fn of_site(site: &Named, what: &str, how: How) -> Self {
        let (site, what) = (Some(site.name.clone()), what.to_owned());
        Self { site, what, how, needs_restart: false }
    }

    /// What changed, with the site that it is of.
    pub(crate) fn name(&self) -> String {
        match &self.site {
            Some(site) => format!("site {site}: {}", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match &self.how {
            How::Value { old, new } => write!(f, "~ {name}: {old} -> {new}")?,
            How::Contents => write!(f, "~ {name}: other contents")?,
            How::Added(text) => write!(f, "+ {name}: {text}")?,
            How::Removed(text) => write!(f, "- {name}: {text}")?,
        }
        f.write_str(if self.needs_restart { " (takes effect after a restart)" } else { "" })
    }
}
