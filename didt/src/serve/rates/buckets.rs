//! How much is left of a limit.
//!
//! Each limit is a bucket of a minute's worth that refills steadily (the generic cell rate algorithm, ITU-T
//! I.371): of each bucket only the moment is kept at which it is full again.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use tower_didt::Timestamp;

/// How many clients or issuers a limit remembers: some 6 MiB of each kind. Where there are more, one is
/// forgotten, which may do a little more than it might.
const MAX_REMEMBERED: usize = 65_536;

const MINUTE: u64 = 60_000;

/// How many seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) u64);

/// Buckets by key, each as the millisecond at which it is full again.
#[derive(Debug)]
pub(super) struct Buckets<K>(Mutex<Remembered<K>>);

#[derive(Debug)]
struct Remembered<K> {
    full_at: HashMap<K, u64>,
    /// When the full ones were last forgotten.
    swept: u64,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(Remembered { full_at: HashMap::new(), swept: 0 }))
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    pub(super) fn peek(&self, key: K, limit: NonZeroU32, now: Timestamp) -> Result<(), TooMany> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        after(kept.full_at.get(&key).copied(), limit, now).map(drop)
    }

    pub(super) fn take(&self, key: K, limit: NonZeroU32, now: Timestamp) -> Result<(), TooMany> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.full_at.get(&key).copied();
        let full_at = after(before, limit, now)?;
        if before.is_none() && kept.full_at.len() >= MAX_REMEMBERED {
            kept.make_room(now);
        }
        kept.full_at.insert(key, full_at);
        Ok(())
    }
}

impl<K: Copy + Eq + Hash> Remembered<K> {
    /// Looking at all takes its time: once a second at most.
    fn make_room(&mut self, now: Timestamp) {
        let now = millis(now);
        if self.swept != now {
            self.swept = now;
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        if self.full_at.len() >= MAX_REMEMBERED
            && let Some(some) = self.full_at.keys().next().copied()
        {
            self.full_at.remove(&some);
        }
    }
}

/// Since 1970, in whole seconds.
fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.as_secs()).unwrap_or(0).saturating_mul(1000)
}

/// When a bucket is full again from which one more is taken.
fn after(full_at: Option<u64>, limit: NonZeroU32, now: Timestamp) -> Result<u64, TooMany> {
    let now = millis(now);
    let one = (MINUTE / u64::from(limit.get())).max(1);
    let full_at = full_at.unwrap_or(0).max(now).saturating_add(one);
    let over = full_at.saturating_sub(now).saturating_sub(MINUTE);
    if over == 0 { Ok(full_at) } else { Err(TooMany(over.div_ceil(1000))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_refills_steadily() {
        let buckets = Buckets::default();
        let at = Timestamp::from_secs;
        let mut taken = 0;
        while buckets.take("a", limit(6), at(100)).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 6);
        assert_eq!(buckets.take("a", limit(6), at(100)), Err(TooMany(10)), "a tenth of a minute");
        assert_eq!(buckets.peek("a", limit(6), at(105)), Err(TooMany(5)));
        assert!(buckets.take("b", limit(6), at(100)).is_ok(), "somebody else");
        assert!(buckets.take("a", limit(6), at(110)).is_ok());
        assert_eq!(
            buckets.take("a", limit(6), at(110)),
            Err(TooMany(10)),
            "what is refused costs nothing"
        );
        assert!((0..6).all(|_| buckets.take("a", limit(6), at(170)).is_ok()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_flood_of_others_locks_nobody_out() {
        let buckets = Buckets::default();
        let now = Timestamp::from_secs(100);
        for key in 0..MAX_REMEMBERED * 2 {
            assert!(buckets.take(key, limit(1), now).is_ok(), "{key}");
        }
        let len = |buckets: &Buckets<usize>| buckets.0.lock().expect("no panic").full_at.len();
        assert_eq!(len(&buckets), MAX_REMEMBERED);
        assert!(buckets.take(usize::MAX, limit(1), Timestamp::from_secs(161)).is_ok());
        assert_eq!(len(&buckets), 1, "full buckets are forgotten");
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_for_longer_than_it_went() {
        let buckets = Buckets::default();
        assert!(buckets.take("a", limit(1), Timestamp::from_secs(1000)).is_ok());
        assert_eq!(buckets.take("a", limit(1), Timestamp::from_secs(990)), Err(TooMany(70)));
    }
}
