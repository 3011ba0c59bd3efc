//! One rule of the policy.

use std::collections::HashSet;

use tower_didt::Issuer;

use super::{Access, Target};

/// Which requests a rule is about, and what it asks for.
#[derive(Debug)]
pub(crate) struct Rule {
    /// What logs and `didt explain` call it.
    pub(crate) name: String,
    pub(crate) access: Access,
    /// Who may pass; nobody else. `None` for everybody whom `access` admits.
    pub(crate) issuers: Option<HashSet<Issuer>>,
}

impl Rule {
    pub(crate) fn matches(&self, _target: &Target) -> bool {
        false
    }
}
