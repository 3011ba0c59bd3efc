//! Which token of an issuer was issued last.

use std::collections::{BTreeSet, HashMap};
use std::sync::PoisonError;

use crate::sync::Mutex;
use crate::{Issuer, Timestamp, TokenMark};

/// When the newest token of each issuer was issued, bounded in number.
///
/// Bounded as the ledger of used tokens is: forgetting the issuer whose newest
/// token is the oldest raises `forgotten`, and an issuer that is not known may
/// have had a token as new as that.
#[derive(Debug)]
pub(in crate::session) struct Newest {
    max: usize,
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    by_issuer: HashMap<Issuer, Timestamp>,
    by_time: BTreeSet<(Timestamp, Issuer)>,
    forgotten: Option<Timestamp>,
}

impl Newest {
    pub(in crate::session) fn new(max: usize) -> Self {
        Self { max: max.max(1), noted: Mutex::default() }
    }

    /// Notes when a token was issued: `false` if a newer one of its issuer was noted before.
    pub(in crate::session) fn advance(&self, token: &TokenMark, now: Timestamp) -> bool {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = noted.by_issuer.get(&token.issuer).copied();
        if known.max(noted.forgotten).is_some_and(|newest| token.issued_at < newest) {
            return false;
        }
        // The holder's clock may run ahead. What is noted does not, or a single
        // token from the future would lock out those of the present.
        let issued_at = token.issued_at.min(now);
        if known.is_none_or(|newest| newest < issued_at) {
            noted.set(token.issuer, known, issued_at);
        }
        while noted.by_time.len() > self.max {
            noted.forget_first();
        }
        true
    }
}

impl Noted {
    fn set(&mut self, issuer: Issuer, known: Option<Timestamp>, issued_at: Timestamp) {
        if let Some(known) = known {
            self.by_time.remove(&(known, issuer));
        }
        self.by_issuer.insert(issuer, issued_at);
        self.by_time.insert((issued_at, issuer));
    }

    fn forget_first(&mut self) {
        if let Some((time, issuer)) = self.by_time.pop_first() {
            self.by_issuer.remove(&issuer);
            self.forgotten = self.forgotten.max(Some(time));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Verifier;
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
        let newest = Newest::new(10);
        assert!(newest.advance(&issued("alice", -20), NOW));
        assert!(newest.advance(&issued("alice", -10), NOW));
        assert!(newest.advance(&issued("alice", -10), NOW), "the newest itself, again");
        assert!(!newest.advance(&issued("alice", -11), NOW));
        assert!(newest.advance(&issued("bob", -11), NOW), "another issuer's is not affected");
    }

    #[test]
    fn a_token_from_the_future_does_not_lock_out_those_of_the_present() {
        let newest = Newest::new(10);
        assert!(newest.advance(&issued("alice", 299), NOW));
        assert!(newest.advance(&issued("alice", 1), NOW.plus(Duration::from_secs(1))));
        assert!(!newest.advance(&issued("alice", -1), NOW));
    }

    #[test]
    fn a_forgotten_issuer_is_never_taken_for_one_without_newer_tokens() {
        let newest = Newest::new(2);
        for (seed, at) in [("alice", -30), ("bob", -20), ("carol", -10)] {
            assert!(newest.advance(&issued(seed, at), NOW));
        }
        assert_eq!(newest.noted.lock().expect("no panic inside").by_time.len(), 2);
        assert!(!newest.advance(&issued("alice", -31), NOW), "older than what was forgotten");
        assert!(newest.advance(&issued("alice", -30), NOW));
    }
}
