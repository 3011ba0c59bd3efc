//! Which sessions an issuer has.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;
use std::sync::PoisonError;

use super::places::Places;
use crate::did::Issuer;
use crate::sync::Mutex;

/// Locks to spread issuers over.
const SHARDS: usize = 16;

/// The places of every issuer's sessions.
///
/// The lock of an issuer's shard orders everything that creates, changes or
/// ends that issuer's sessions; reading a session needs no lock.
#[derive(Debug)]
pub(super) struct Index {
    shards: [Mutex<BTreeMap<Issuer, Places>>; SHARDS],
    hasher: RandomState,
}

impl Default for Index {
    fn default() -> Self {
        let shard = |_| Mutex::new(BTreeMap::new());
        Self { shards: std::array::from_fn(shard), hasher: RandomState::new() }
    }
}

impl Index {
    /// Runs `change` on the places of an issuer's sessions while nobody else does. It must
    /// neither wait nor take another issuer's.
    pub(super) fn with_issuer<T>(
        &self,
        issuer: Issuer,
        change: impl FnOnce(&mut Places) -> T,
    ) -> T {
        #[expect(clippy::indexing_slicing, reason = "a remainder is below the number of shards")]
        let shard = &self.shards[self.shard_of(issuer)];
        // A panic inside leaves places that are complete or lack a session that
        // is not in the cache: nothing that a later caller must not see.
        let mut issuers = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let places = issuers.entry(issuer).or_default();
        let result = change(places);
        if places.len() == 0 {
            issuers.remove(&issuer);
        }
        result
    }

    /// Up to `count` issuers that come after this one: those of its own shard in their order, then those
    /// of the shards behind it. All others are before it.
    pub(super) fn issuers(&self, after: Option<Issuer>, count: usize) -> Vec<Issuer> {
        let mut found = Vec::with_capacity(count);
        let first = after.map_or(0, |after| self.shard_of(after));
        let mut from = after.map_or(Bound::Unbounded, Bound::Excluded);
        for shard in self.shards.iter().skip(first) {
            let issuers = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let left = count - found.len();
            found.extend(
                issuers.range((from, Bound::Unbounded)).take(left).map(|(issuer, _)| *issuer),
            );
            from = Bound::Unbounded;
        }
        found
    }

    fn shard_of(&self, issuer: Issuer) -> usize {
        self.hasher.hash_one(issuer) as usize % SHARDS
    }

    /// How many sessions there are of how many issuers.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (usize, usize) {
        let lock = |shard: &Mutex<BTreeMap<Issuer, Places>>| {
            let issuers = shard.lock().expect("no panic inside");
            (issuers.values().map(Places::len).sum::<usize>(), issuers.len())
        };
        let counts = self.shards.iter().map(lock);
        counts.fold((0, 0), |all, shard| (all.0 + shard.0, all.1 + shard.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Timestamp;
    use crate::session::SessionHandle;

    #[test]
    fn an_issuer_without_sessions_takes_no_room() {
        let issuer = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("one");
        let (index, handle) = (Index::default(), SessionHandle::from_bytes([1; 32]));
        let place = index.with_issuer(issuer, |own| own.push(handle, Timestamp::EPOCH));
        assert_eq!(index.counts(), (1, 1));
        index.with_issuer(issuer, |_| ());
        assert_eq!(index.counts(), (1, 1));
        assert!(index.with_issuer(issuer, |own| own.remove(place, &handle)));
        assert_eq!(index.counts(), (0, 0));
    }
}
