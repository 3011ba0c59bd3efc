//! Does the rule admit the caller?

use tower_didt::{Session, Timestamp};

use super::super::policy::{Access, Rule, Verdict};
use super::denial::Denial;

/// Checks what the layer cannot: whether the rule admits the caller, and how old a session may be.
pub(super) fn admit(rule: &Rule, session: Option<&Session>, now: Timestamp) -> Result<(), Denial> {
    if rule.access.asks_for_somebody() {
        let session = session.ok_or(Denial::Nobody)?;
        match rule.admit.admits(session) {
            Verdict::Admitted => {}
            Verdict::NotListed => return Err(Denial::IssuerNotAllowed),
            Verdict::Unknown => return Err(Denial::UnknownUser),
            Verdict::NotYetKnown => return Err(Denial::NotYetKnown),
        }
    }
    if let Access::Fresh(max_age) = rule.access {
        let session = session.ok_or(Denial::Nobody)?;
        // A token without a session says when it was issued by its holder's word alone.
        let fresh = session.handle().is_some() && now.since(session.created_at()) < max_age;
        if !fresh {
            return Err(Denial::Stale { max_age: max_age.as_secs() });
        }
    }
    Ok(())
}
