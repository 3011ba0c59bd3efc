//! Which token of an issuer was issued last.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use super::TokenMark;
use super::issuer_lines::IssuerLines;
use super::used_tokens::{rounded_up, start_of};
use crate::did::{Issuer, Timestamp};
use crate::sync::Mutex;

/// When the newest token of each issuer was issued, bounded in number.
///
/// Bounded as the memory of used tokens is. What goes is the issuer that was not here for the
/// longest time, so that a flood of new issuers pushes out its own before those who keep coming,
/// and that issuer's line rises to when its newest token was issued: older ones stay refused, and
/// with them those of the few whom [`IssuerLines`] confuses with it.
#[derive(Debug)]
pub(super) struct NewestTokens {
    max: usize,
    noted: Mutex<Noted>,
}

#[derive(Debug)]
struct Noted {
    by_issuer: HashMap<Issuer, Note>,
    /// In the order in which they were here last.
    by_visit: BTreeMap<u64, Issuer>,
    visits: u64,
    forgotten: IssuerLines,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    newest: Timestamp,
    visit: u64,
}

impl NewestTokens {
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        let noted = Noted {
            by_issuer: HashMap::new(),
            by_visit: BTreeMap::new(),
            visits: 0,
            forgotten: IssuerLines::behind(max),
        };
        Self { max, noted: Mutex::new(noted) }
    }

    /// Records when a token was issued; returns `false` if a newer one of its issuer was recorded
    /// before.
    pub(super) fn advance(&self, token: &TokenMark, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.by_issuer.get(&token.issuer).copied();
        let newest = match known {
            // What was forgotten of this issuer came before.
            Some(note) => Some(note.newest),
            None => noted.forgotten.of(token.issuer).map(start_of),
        };
        if newest.is_some_and(|newest| token.issued_at < newest) {
            return false;
        }
        // The holder's clock may run ahead. What is noted does not, or a single
        // token from the future would lock out those of the present.
        let issued_at = token.issued_at.min(now);
        noted.visit(token.issuer, known, newest.map_or(issued_at, |newest| newest.max(issued_at)));
        while noted.by_visit.len() > self.max {
            noted.forget_first();
        }
        true
    }
}

impl Noted {
    fn visit(&mut self, issuer: Issuer, known: Option<Note>, newest: Timestamp) {
        if let Some(known) = known {
            self.by_visit.remove(&known.visit);
        }
        self.visits += 1;
        let visit = self.visits;
        self.by_issuer.insert(issuer, Note { newest, visit });
        self.by_visit.insert(visit, issuer);
    }

    fn forget_first(&mut self) {
        if let Some((_, issuer)) = self.by_visit.pop_first()
            && let Some(note) = self.by_issuer.remove(&issuer)
        {
            self.forgotten.raise(issuer, rounded_up(note.newest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::did::Verifier;
    use crate::testing::Wallet;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn issued(seed: &str, at: i64) -> TokenMark {
        let issued_at = Timestamp::from_secs(1_700_000_000 + at);
        let token = Wallet::from_seed(seed).token("app").issued_at(issued_at).mint();
        let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
        TokenMark::new(&claim, issued_at.plus(Duration::from_secs(900)))
    }

    #[test]
    fn an_older_token_is_refused_once_a_newer_one_was_accepted() {
        let newest = NewestTokens::new(10);
        assert!(newest.advance(&issued("alice", -20), NOW));
        assert!(newest.advance(&issued("alice", -10), NOW));
        assert!(newest.advance(&issued("alice", -10), NOW), "the newest itself, again");
        assert!(!newest.advance(&issued("alice", -11), NOW));
        assert!(newest.advance(&issued("bob", -11), NOW), "another issuer's is not affected");
    }

    #[test]
    fn a_token_from_the_future_does_not_lock_out_those_of_the_present() {
        let newest = NewestTokens::new(10);
        assert!(newest.advance(&issued("alice", 299), NOW));
        assert!(newest.advance(&issued("alice", 1), NOW.plus(Duration::from_secs(1))));
        assert!(!newest.advance(&issued("alice", -1), NOW));
    }

    #[test]
    fn a_forgotten_issuer_is_never_taken_for_one_without_newer_tokens() {
        let newest = NewestTokens::new(2);
        for (seed, at) in [("alice", -30), ("bob", -20), ("carol", -10)] {
            assert!(newest.advance(&issued(seed, at), NOW));
        }
        assert_eq!(newest.noted.lock().expect("no panic inside").by_visit.len(), 2);
        assert!(!newest.advance(&issued("alice", -31), NOW), "older than what was forgotten");
        assert!(newest.advance(&issued("dave", -40), NOW), "nobody else is forgotten");
        assert!(newest.advance(&issued("alice", -30), NOW));
    }

    #[test]
    fn those_who_keep_coming_outlast_a_flood_of_new_issuers() {
        let newest = NewestTokens::new(10);
        let [regular, older] = [-600, -601].map(|at| issued("alice", at));
        assert!(newest.advance(&regular, NOW));
        for number in 0..100 {
            assert!(newest.advance(&issued(&format!("mallory {number}"), 0), NOW));
            assert!(newest.advance(&regular, NOW), "after {number}");
        }
        assert!(
            newest.noted.lock().expect("no panic inside").by_issuer.contains_key(&regular.issuer)
        );
        assert!(!newest.advance(&older, NOW));
    }
}
