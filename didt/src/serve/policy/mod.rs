//! Which rule applies to a request, and what it asks for.
//!
//! ```text
//! method, scheme, host, URI ─► Target (or NotCanonical: refused) ─► the first Rule that matches
//! ```

mod access;
mod admit;
#[cfg(test)]
mod advisories;
mod host;
mod method;
mod overlap;
mod parties;
mod path;
mod path_pattern;
mod rule;
mod target;

pub(crate) use self::access::Access;
pub(crate) use self::admit::{Admit, Said, Verdict, Word};
pub(crate) use self::host::HostPattern;
pub(crate) use self::method::registered;
pub(crate) use self::overlap::Overlap;
pub(crate) use self::parties::Parties;
pub(crate) use self::path_pattern::PathPattern;
pub(crate) use self::rule::{Hit, Miss, Requests, Rule};
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

    /// The rule for a request.
    pub(crate) fn rule_for(&self, target: &Target) -> &Rule {
        self.rules.iter().find(|rule| rule.matches(target)).unwrap_or(&self.otherwise)
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
