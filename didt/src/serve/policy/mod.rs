//! Which rule applies to a request, and what it asks for.
//!
//! ```text
//! method, scheme, host, URI ─► Target (or NotCanonical: refused) ─► the first Rule that matches
//!   a path without a canonical form ─► readings: all that it may mean ─► the Rule, if one decides on all
//! ```

mod access;
mod admit;
#[cfg(test)]
mod advisories;
mod decide;
mod host;
mod method;
mod network;
mod overlap;
mod parties;
mod path;
mod path_pattern;
mod readings;
mod rule;
mod target;

use std::net::IpAddr;

pub(crate) use self::access::Access;
pub(crate) use self::admit::{Admit, Said, Verdict, Word};
pub(crate) use self::decide::{Undecided, Way};
pub(crate) use self::host::{HostFault, HostPattern, host_name};
pub(crate) use self::method::registered;
pub(crate) use self::network::Network;
pub(crate) use self::overlap::Overlap;
pub(crate) use self::parties::Parties;
use self::path::PathFault;
pub(crate) use self::path_pattern::PathPattern;
pub(crate) use self::rule::{Hit, Miss, Requests, Rule};
use self::target::Odd;
pub(crate) use self::target::{NotCanonical, Target};

/// The rules in their order; the first that matches applies.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: Vec<Rule>,
    /// Where no rule matches. Defaults to `required`.
    otherwise: Rule,
}

impl Policy {
    pub(crate) const fn new(rules: Vec<Rule>, otherwise: Rule) -> Self {
        Self { rules, otherwise }
    }

    /// The rule for a request of a client at this address; `None` for the address where no trusted proxy
    /// says it.
    ///
    /// Without an address, a rule about networks does not apply, but where it is stricter than what
    /// does: then it applies. `None` where neither of the two is as strict as the other.
    pub(crate) fn rule_for(&self, target: &Target, client: Option<IpAddr>) -> Option<&Rule> {
        let mut unknown = Vec::new();
        let found = self.rules.iter().find(|rule| match rule.requests.hit(target, client) {
            Ok(_) => true,
            Err(miss) => {
                if miss == Miss::Unknown {
                    unknown.push(*rule);
                }
                false
            }
        });
        let found = found.unwrap_or(&self.otherwise);
        unknown.into_iter().try_fold(found, |found, other| {
            match (overlap::laxer(found, other), overlap::laxer(other, found)) {
                (false, _) => Some(found),
                (true, false) => Some(other),
                (true, true) => None,
            }
        })
    }

    /// Whether any rule requires a fresh session.
    pub(crate) fn asks_for_fresh(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule.access, Access::Fresh(_)))
    }

    /// Whether a key that Magic does not know can pass any rule that requires sign-in.
    pub(crate) fn admits_unknown_keys(&self) -> bool {
        self.rules
            .iter()
            .chain([&self.otherwise])
            .any(|rule| rule.access.asks_for_somebody() && rule.admit.admits_unknown_keys())
    }

    /// The rules in their order.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules in their order, and what applies where none of them does.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain([&self.otherwise])
    }

    /// What applies where none of them does.
    pub(crate) const fn otherwise(&self) -> &Rule {
        &self.otherwise
    }
}
