//! Which sessions an issuer has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::PoisonError;

use crate::sync::Mutex;
use crate::{Issuer, SessionHandle};

/// Locks to spread issuers over.
const SHARDS: usize = 16;

/// A shard with fewer handles than this is not worth pruning.
const PRUNE_FROM: usize = 1024;

/// The handles of every issuer's sessions, oldest first.
///
/// The lock of an issuer's shard orders everything that creates, changes or
/// ends that issuer's sessions; reading a session needs no lock.
#[derive(Debug)]
pub(super) struct Index {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug)]
struct Shard {
    issuers: HashMap<Issuer, Vec<SessionHandle>>,
    /// Handles in this shard, and at how many of them the dead ones are removed.
    handles: usize,
    prune_at: usize,
}

impl Default for Index {
    fn default() -> Self {
        let shard = || Shard { issuers: HashMap::new(), handles: 0, prune_at: PRUNE_FROM };
        Self { shards: std::array::from_fn(|_| Mutex::new(shard())), hasher: RandomState::new() }
    }
}

impl Index {
    /// Runs `change` on the list of an issuer's sessions while nobody else does.
    pub(super) fn with_issuer<T>(
        &self,
        issuer: Issuer,
        change: impl FnOnce(&mut Vec<SessionHandle>) -> T,
    ) -> T {
        self.with_shard(issuer, |shard| {
            let handles = shard.issuers.entry(issuer).or_default();
            let before = handles.len();
            let result = change(handles);
            let after = handles.len();
            if after == 0 {
                shard.issuers.remove(&issuer);
            }
            shard.handles = shard.handles.saturating_sub(before) + after;
            result
        })
    }

    /// Forgets handles of sessions that the cache has dropped, once their number
    /// may have reached half of all: the index stays within twice the living.
    pub(super) fn prune(&self, issuer: Issuer, is_alive: impl Fn(&SessionHandle) -> bool) {
        self.with_shard(issuer, |shard| {
            if shard.handles < shard.prune_at {
                return;
            }
            shard.issuers.retain(|_, handles| {
                handles.retain(&is_alive);
                handles.shrink_to_fit();
                !handles.is_empty()
            });
            shard.issuers.shrink_to_fit();
            shard.handles = shard.issuers.values().map(Vec::len).sum();
            shard.prune_at = PRUNE_FROM.max(2 * shard.handles);
        });
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let lock = |shard: &Mutex<Shard>| shard.lock().expect("no panic inside").handles;
        self.shards.iter().map(lock).sum()
    }

    fn with_shard<T>(&self, issuer: Issuer, change: impl FnOnce(&mut Shard) -> T) -> T {
        let number = self.hasher.hash_one(issuer) as usize % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "a remainder is below the number of shards")]
        let shard = &self.shards[number];
        // A panic inside leaves a list that is complete or lacks a session that
        // is not in the cache: nothing that a later caller must not see.
        change(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> Issuer {
        "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer")
    }

    const fn handle(number: u8) -> SessionHandle {
        SessionHandle::from_bytes([number; 32])
    }

    #[test]
    fn handles_are_counted_as_they_come_and_go() {
        let index = Index::default();
        index.with_issuer(issuer(), |handles| handles.extend([handle(1), handle(2)]));
        index.with_issuer(issuer(), |handles| handles.push(handle(3)));
        assert_eq!(index.len(), 3);
        index.with_issuer(issuer(), |handles| handles.truncate(1));
        assert_eq!(index.len(), 1);
        index.with_issuer(issuer(), Vec::clear);
        assert_eq!(index.len(), 0);
    }

    #[test]
    fn the_dead_are_forgotten_when_there_may_be_as_many_as_the_living() {
        let (index, alive) = (Index::default(), |known: &SessionHandle| *known == handle(1));
        let fill = |number, count| {
            index.with_issuer(issuer(), |handles| {
                handles.extend(std::iter::repeat_n(handle(number), count));
            });
        };
        fill(1, 600);
        fill(2, PRUNE_FROM - 601);
        index.prune(issuer(), alive);
        assert_eq!(index.len(), PRUNE_FROM - 1, "not worth it yet");
        fill(2, 1);
        index.prune(issuer(), alive);
        assert_eq!(index.len(), 600);
        // Now at twice of what is alive.
        fill(2, 599);
        index.prune(issuer(), alive);
        assert_eq!(index.len(), 1_199);
        fill(2, 1);
        index.prune(issuer(), alive);
        assert_eq!(index.len(), 600);
    }
}
