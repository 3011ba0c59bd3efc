//! What differs between two readings of the settings, without a secret.

use std::fmt;

use super::{Config, Loaded, Store};
use crate::serve::policy::{Policy, Rule};

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
    pub(crate) fn between(old: &Loaded, new: &Loaded) -> Self {
        let pinned = until_restart(&old.config, &new.config);
        let mut changes = Vec::new();
        for (old, new) in old.settings.iter().zip(&new.settings) {
            let how = if old.value != new.value {
                How::Value { old: old.value.clone(), new: new.value.clone() }
            } else if old.fingerprint != new.fingerprint {
                How::Contents
            } else {
                continue;
            };
            let needs_restart = pinned.contains(&new.key);
            changes.push(Change { what: new.key.to_owned(), how, needs_restart });
        }
        of_rules(&old.config.policy, &new.config.policy, &mut changes);
        Self(changes)
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

fn of_rules(old: &Policy, new: &Policy, changes: &mut Vec<Change>) {
    let find = |policy: &Policy, name: &str| {
        policy.all().find(|rule| rule.name == name).map(|rule| (rule.to_string(), rule.admitted()))
    };
    let mut say = |rule: &Rule, how| {
        let what = format!("rule {:?}", rule.name);
        changes.push(Change { what, how, needs_restart: false });
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
        changes.push(Change { what: "rules".to_owned(), how, needs_restart: false });
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Value { old, new } => write!(f, "~ {}: {old} -> {new}", self.what)?,
            How::Contents => write!(f, "~ {}: other contents", self.what)?,
            How::Added(text) => write!(f, "+ {}: {text}", self.what)?,
            How::Removed(text) => write!(f, "- {}: {text}", self.what)?,
        }
        f.write_str(if self.needs_restart { " (takes effect after a restart)" } else { "" })
    }
}
