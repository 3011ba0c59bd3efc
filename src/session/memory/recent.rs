//! The sessions themselves, within a bound of bytes.

use std::fmt;
use std::sync::{Arc, PoisonError};

use lru::LruCache;

use crate::did::{Issuer, Timestamp};
use crate::session::{SessionHandle, SessionRecord};
use crate::sync::Mutex;

/// Number of locks to spread sessions over, if there is room for as many sessions.
const MAX_SHARDS: u64 = 64;

/// With less room than this each, shards would differ too much in how full they are.
const MIN_SHARD_BYTES: u64 = 1024 * 1024;

/// Ended sessions that may go whenever one comes: more than one, so that they become
/// fewer; few, so that a clock that is wrong for a moment does not sign everyone out.
const ENDED_TO_DROP: usize = 2;

/// The memory of a session besides its record: its place in the table and in the order of
/// use, and in its issuer's list. Measured with 100,000 and with 1,000,000 sessions.
pub(super) const OVERHEAD: usize = 270;

/// Sessions by their handles. When they take too much, the longest unused
/// go; the newest always stays.
///
/// Handles are hashes of random ids, so their bytes spread evenly over the shards, and
/// each shard may hold an equal part of the bound. Nobody can choose the shard of a new session:
/// the quick hash of the tables needs no defence against chosen keys.
pub(super) struct Recent {
    shards: Box<[Mutex<Shard>]>,
    /// What each shard may hold.
    max_bytes: u64,
    /// How many sessions were looked up, so that tests can measure the cost of a call.
    #[cfg(test)]
    looked_for: std::sync::atomic::AtomicUsize,
}

/// A session, and its place among its issuer's.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) record: Arc<SessionRecord>,
    pub(super) place: u64,
}

/// A session that had to make room. What else is known of it is to be forgotten too.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) issuer: Issuer,
    pub(super) handle: SessionHandle,
    pub(super) place: u64,
}

struct Shard {
    sessions: LruCache<SessionHandle, Kept>,
    /// What they weigh.
    bytes: u64,
}

impl Recent {
    /// Of about `max_bytes` in all.
    pub(super) fn new(max_bytes: u64) -> Self {
        let count = (max_bytes / MIN_SHARD_BYTES).clamp(1, MAX_SHARDS);
        let shard = |_| Mutex::new(Shard { sessions: LruCache::unbounded(), bytes: 0 });
        Self {
            shards: (0..count).map(shard).collect(),
            max_bytes: max_bytes / count,
            #[cfg(test)]
            looked_for: std::sync::atomic::AtomicUsize::new(0),
        }
    }

    /// Finds a session, and counts that as a use of it.
    ///
    /// A client's requests come in flocks. For all but the first of them the order stays as
    /// it is, and nothing is written that another processor would have to fetch.
    pub(super) fn get(&self, handle: &SessionHandle) -> Option<Arc<SessionRecord>> {
        self.with_shard(handle, |shard| match shard.sessions.peek_mru() {
            Some((newest, kept)) if newest == handle => Some(Arc::clone(&kept.record)),
            _ => shard.sessions.get(handle).map(|kept| Arc::clone(&kept.record)),
        })
    }

    /// Finds a session without counting that as a use.
    pub(super) fn peek(&self, handle: &SessionHandle) -> Option<Kept> {
        self.with_shard(handle, |shard| shard.sessions.peek(handle).cloned())
    }

    /// Puts a session in, in place of an earlier record of it; which others had to go.
    pub(super) fn insert(&self, kept: Kept, now: Timestamp) -> Vec<Dropped> {
        let handle = kept.record.handle;
        let mut dropped = Vec::new();
        self.with_shard(&handle, |shard| {
            shard.add(kept);
            while shard.bytes > self.max_bytes && shard.sessions.len() > 1 {
                dropped.extend(shard.drop_coldest());
            }
            // Whoever's session has ended stops using it, so that it comes to this end of the
            // order. Whether a session is alive is decided elsewhere; this gives memory back.
            for _ in 0..ENDED_TO_DROP {
                if shard.sessions.peek_lru().is_some_and(|(_, kept)| kept.record.expires_at <= now)
                {
                    dropped.extend(shard.drop_coldest());
                }
            }
        });
        dropped
    }

    /// Takes a session out: `true` if it was there.
    pub(super) fn remove(&self, handle: &SessionHandle) -> bool {
        self.with_shard(handle, |shard| {
            let kept = shard.sessions.pop(handle);
            kept.inspect(|kept| shard.no_longer_holds(&kept.record)).is_some()
        })
    }

    #[cfg(test)]
    pub(super) fn looked_for(&self) -> usize {
        self.looked_for.load(std::sync::atomic::Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes * self.shards.len() as u64
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard>| {
            shard.lock().unwrap_or_else(PoisonError::into_inner).sessions.len()
        };
        self.shards.iter().map(lock).sum()
    }

    fn with_shard<T>(&self, handle: &SessionHandle, act: impl FnOnce(&mut Shard) -> T) -> T {
        #[cfg(test)]
        self.looked_for.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let [a, b, ..] = *handle.as_bytes();
        let number = usize::from(u16::from_be_bytes([a, b])) % self.shards.len();
        #[expect(clippy::indexing_slicing, reason = "a remainder is below the number of shards")]
        let shard = &self.shards[number];
        // Nothing inside panics; if it did, the count of bytes would be wrong at worst.
        act(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shard {
    fn add(&mut self, kept: Kept) {
        self.bytes = self.bytes.saturating_add(weight(&kept.record));
        if let Some(former) = self.sessions.put(kept.record.handle, kept) {
            self.no_longer_holds(&former.record);
        }
    }

    fn drop_coldest(&mut self) -> Option<Dropped> {
        let (handle, Kept { record, place }) = self.sessions.pop_lru()?;
        self.no_longer_holds(&record);
        Some(Dropped { issuer: record.issuer, handle, place })
    }

    fn no_longer_holds(&mut self, record: &SessionRecord) {
        self.bytes = self.bytes.saturating_sub(weight(record));
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("sessions", &self.len()).finish()
    }
}

/// What a session takes of memory, in bytes.
fn weight(record: &SessionRecord) -> u64 {
    (size_of::<SessionRecord>() + record.data.size() + OVERHEAD) as u64
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use super::*;
    use crate::did::Address;
    use crate::session::SessionData;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn handle(number: u64) -> SessionHandle {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        SessionHandle::from_bytes(bytes)
    }

    fn record(number: u64, lives_for: u64, data: usize) -> Arc<SessionRecord> {
        let issuer: Issuer = Address::from_bytes([1; 20]).into();
        let data = SessionData::new(&"x".repeat(data)).expect("JSON");
        let end = NOW.plus(Duration::from_secs(lives_for));
        Arc::new(SessionRecord::new(handle(number), issuer, NOW, end, data))
    }

    fn kept(record: &Arc<SessionRecord>) -> Kept {
        Kept { record: Arc::clone(record), place: 0 }
    }

    /// Random calls, compared with a plain list that does the same.
    #[test]
    fn within_its_bound_it_keeps_what_was_used_last() {
        const MAX: u64 = 20_000;
        let recent = Recent::new(MAX);
        assert_eq!(recent.shards.len(), 1, "one order of use, to be held against one list");
        let bytes = |model: &VecDeque<Arc<SessionRecord>>| -> u64 {
            model.iter().map(|record| weight(record)).sum()
        };
        // Coldest first.
        let mut model: VecDeque<Arc<SessionRecord>> = VecDeque::new();
        let mut dice = 1_u64;
        for _ in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (what, number, size) = (dice >> 60, dice >> 40 & 0x7f, dice >> 20 & 0x7ff);
            let position = model.iter().position(|known| known.handle == handle(number));
            let known = position.and_then(|position| model.remove(position));
            match what {
                0..6 => {
                    assert_eq!(recent.get(&handle(number)), known);
                    model.extend(known);
                }
                6..8 => assert_eq!(recent.remove(&handle(number)), known.is_some()),
                _ => {
                    let new = record(number, 3600, size as usize);
                    recent.insert(kept(&new), NOW);
                    model.push_back(new);
                    while bytes(&model) > MAX && model.len() > 1 {
                        model.pop_front();
                    }
                }
            }
            assert_eq!(recent.len(), model.len());
            let held = recent.shards[0].lock().expect("no panic inside").bytes;
            assert_eq!(held, bytes(&model));
            assert!(model.iter().all(|record| recent.peek(&record.handle).is_some()));
        }
        assert!(model.len() > 5, "{} are left", model.len());
    }

    #[test]
    fn shards_together_hold_what_they_may_and_no_more() {
        let max = 8 * MIN_SHARD_BYTES;
        let recent = Recent::new(max);
        assert_eq!(recent.shards.len(), 8);
        let fit = max / weight(&record(0, 3600, 0));
        for number in 0..2 * fit {
            // Spread as hashes are.
            let number = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes();
            recent.insert(kept(&record(number, 3600, 0)), NOW);
        }
        let len = recent.len() as u64;
        assert!(len <= fit && len > fit * 9 / 10, "{len} of {fit}");
    }

    #[test]
    fn one_too_big_for_its_shard_stays_until_the_next_comes() {
        let recent = Recent::new(1_000);
        recent.insert(kept(&record(1, 3600, 10_000)), NOW);
        assert!(recent.peek(&handle(1)).is_some());
        recent.insert(kept(&record(2, 3600, 10_000)), NOW);
        assert!(recent.peek(&handle(1)).is_none());
        assert!(recent.peek(&handle(2)).is_some());
    }

    #[test]
    fn ended_sessions_go_as_others_come() {
        let recent = Recent::new(MIN_SHARD_BYTES);
        for number in 0..100 {
            recent.insert(kept(&record(number, 60, 0)), NOW);
        }
        let later = NOW.plus(Duration::from_secs(60));
        for number in 100..150 {
            recent.insert(kept(&record(number, 3600, 0)), later);
        }
        assert_eq!(recent.len(), 50, "two go for each that comes");
        assert!((100..150).all(|number| recent.peek(&handle(number)).is_some()));
    }

    #[test]
    fn a_moment_of_a_clock_gone_mad_costs_two_sessions() {
        let recent = Recent::new(MIN_SHARD_BYTES);
        for number in 0..100 {
            recent.insert(kept(&record(number, 3600, 0)), NOW);
        }
        recent.insert(kept(&record(100, 3600, 0)), Timestamp::MAX);
        assert_eq!(recent.len(), 99);
    }
}
