//! Which tokens were used.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use crate::sync::Mutex;
use crate::{ClaimDigest, Timestamp, TokenMark};

/// The used tokens, bounded in number, and never wrong about one of them.
///
/// Marks are ordered by when their token stops being usable. To forget a mark,
/// because its token expired or because there are too many, is to raise
/// `forgotten` to that time: every token that ends no later counts as used from
/// then on. So memory is bounded, and no token is ever taken for new twice. The
/// price under a flood: tokens that end sooner than the flood's make no
/// session until the flood has ended.
#[derive(Debug)]
pub(in crate::session) struct Ledger {
    max: usize,
    marks: Mutex<Marks>,
}

#[derive(Debug)]
struct Marks {
    used: BTreeSet<(Timestamp, ClaimDigest)>,
    forgotten: Option<Timestamp>,
}

impl Ledger {
    pub(in crate::session) fn new(max: usize) -> Self {
        let marks = Marks { used: BTreeSet::new(), forgotten: None };
        Self { max: max.max(1), marks: Mutex::new(marks) }
    }

    /// Marks a token as used: `true` if it is certain that it was not before.
    pub(in crate::session) fn claim(&self, token: &TokenMark, now: Timestamp) -> bool {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if marks.is_used(token) {
            return false;
        }
        marks.used.insert((token.usable_until, token.digest));
        while marks.used.len() > self.max || marks.used.first().is_some_and(|m| m.0 < now) {
            marks.forget_first();
        }
        true
    }

    #[cfg(test)]
    pub(in crate::session) fn max(&self) -> usize {
        self.max
    }

    pub(in crate::session) fn is_used(&self, token: &TokenMark) -> bool {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).is_used(token)
    }
}

impl Marks {
    fn is_used(&self, token: &TokenMark) -> bool {
        self.forgotten.is_some_and(|time| token.usable_until <= time)
            || self.used.contains(&(token.usable_until, token.digest))
    }

    /// Forgets the mark whose token ends first.
    fn forget_first(&mut self) {
        if let Some((end, _)) = self.used.pop_first() {
            self.forgotten = self.forgotten.max(Some(end));
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

    fn mark(usable_for: u64) -> TokenMark {
        let token = Wallet::from_seed("alice").token("app").issued_at(NOW).mint();
        let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
        TokenMark::new(&claim, NOW.plus(Duration::from_secs(usable_for)))
    }

    #[test]
    fn a_token_is_new_once() {
        let ledger = Ledger::new(10);
        let token = mark(900);
        assert!(!ledger.is_used(&token));
        assert!(ledger.claim(&token, NOW));
        assert!(ledger.is_used(&token));
        assert!(!ledger.claim(&token, NOW));
    }

    #[test]
    fn in_their_last_moment_tokens_are_new_once_each() {
        let ledger = Ledger::new(10);
        for token in [mark(0), mark(0)] {
            assert!(ledger.claim(&token, NOW));
            assert!(!ledger.claim(&token, NOW));
        }
    }

    #[test]
    fn a_full_ledger_stays_within_its_bound_and_never_takes_a_used_token_for_new() {
        let ledger = Ledger::new(10);
        let tokens: Vec<_> = (0..50).map(|n| mark(600 + n)).collect();
        for token in &tokens {
            assert!(ledger.claim(token, NOW));
        }
        assert_eq!(ledger.marks.lock().expect("no panic inside").used.len(), 10);
        for token in &tokens {
            assert!(!ledger.claim(token, NOW), "taken for new after it was forgotten");
        }
        assert!(!ledger.claim(&mark(600), NOW), "an unknown token that ends as early");
        assert!(ledger.claim(&mark(900), NOW), "a token that ends later is not affected");
    }

    #[test]
    fn expired_marks_are_forgotten_and_stay_used_when_the_clock_goes_back() {
        let ledger = Ledger::new(10);
        let early = mark(100);
        assert!(ledger.claim(&early, NOW));
        let later = NOW.plus(Duration::from_secs(101));
        assert!(ledger.claim(&mark(900), later));
        assert_eq!(ledger.marks.lock().expect("no panic inside").used.len(), 1);
        assert!(!ledger.claim(&early, NOW));
    }
}
