//! Which rule applies to a request, and what it asks for.

mod access;
mod rule;
mod target;

pub(crate) use self::access::Access;
pub(crate) use self::rule::Rule;
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
}
