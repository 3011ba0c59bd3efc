//! Copies in this process of what Redis holds, and when they must not be used.
//!
//! Redis tells us when a key that we have read changes (`CLIENT TRACKING`). Every
//! issuer belongs to one of many counters, and any word about one of its keys
//! advances that counter. A copy carries what the counter showed *before* it was
//! asked for, and is good while it still shows that. So nothing has to be
//! removed when word comes, and what was read before the word, and is put away
//! after it, was never good.

use std::hash::Hash;
use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use redis::{PushInfo, PushKind, Value};

use super::changes::{Changes, Seen};
use super::keys::{Keys, Named};
use super::link::Line;
use crate::Issuer;
use crate::session::{SessionHandle, SessionRecord};

/// What a copy takes beside its value: the cache's own entry and queues.
const OVERHEAD: usize = 350;

impl Changes {
    /// Word from Redis. Whatever is not understood concerns everybody.
    pub(super) fn hear(&self, keys: &Keys, word: &PushInfo) {
        match (&word.kind, word.data.as_slice()) {
            (PushKind::Invalidate, [Value::Array(changed)]) => {
                for key in changed {
                    self.hear_key(keys, key);
                }
            }
            (PushKind::Invalidate | PushKind::Disconnection, _) => self.of_all(),
            _ => {}
        }
    }

    fn hear_key(&self, keys: &Keys, key: &Value) {
        let named = match key {
            Value::BulkString(key) => keys.read(key),
            Value::SimpleString(key) => keys.read(key.as_bytes()),
            _ => None,
        };
        match named {
            Some(Named::CopiedOf(address)) => self.of(address),
            Some(Named::Other) => {}
            None => self.of_all(),
        }
    }
}

/// What there are copies of.
pub(super) trait Copied: Send + Sync + 'static {
    type Name: std::marker::Copy + Eq + Hash + Send + Sync + 'static;

    fn name(&self) -> Self::Name;

    fn issuer(&self) -> Issuer;

    /// What it takes of memory.
    fn bytes(&self) -> usize;
}

impl Copied for SessionRecord {
    type Name = SessionHandle;

    fn name(&self) -> SessionHandle {
        self.handle
    }

    fn issuer(&self) -> Issuer {
        self.issuer
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.data.size()
    }
}

/// What need not be asked for, bounded in bytes.
pub(super) struct Copies<T: Copied> {
    cache: Option<Cache<T::Name, Arc<Copy<T>>>>,
    changes: Arc<Changes>,
}

struct Copy<T> {
    value: Arc<T>,
    seen: Seen,
    /// By which line Redis answered, and would tell of a change.
    line: Arc<Line>,
}

impl<T: Copied> Copies<T> {
    /// Room for `max_bytes`; with 0 there are never any copies.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self::beside(Arc::new(Changes::new(max_bytes)), max_bytes)
    }

    /// The same, of which the same word tells as of other copies.
    pub(super) fn beside(changes: Arc<Changes>, max_bytes: u64) -> Self {
        let cache = (max_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_, copy: &Arc<Copy<T>>| weight(copy.value.bytes()))
                .eviction_policy(EvictionPolicy::lru())
                .build()
        });
        Self { cache, changes }
    }

    pub(super) const fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// What is certain to be as Redis has it, give or take the time that word takes.
    pub(super) fn get(&self, issuer: Issuer, name: T::Name) -> Option<Arc<T>> {
        let copy = self.cache.as_ref()?.get(&name)?;
        let good = copy.value.issuer() == issuer
            && copy.seen == self.changes.seen(issuer)
            && copy.line.would_have_told();
        good.then(|| Arc::clone(&copy.value))
    }

    /// Puts a copy away. `seen` is what the counter showed before Redis was asked.
    pub(super) fn put(&self, value: &Arc<T>, seen: Seen, line: Arc<Line>) {
        if let Some(cache) = &self.cache
            && seen == self.changes.seen(value.issuer())
        {
            cache.insert(value.name(), Arc::new(Copy { value: Arc::clone(value), seen, line }));
        }
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::session::SessionData;

    fn record() -> Arc<SessionRecord> {
        let issuer = "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse();
        Arc::new(SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            issuer.expect("an issuer"),
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            SessionData::NONE,
        ))
    }

    fn word(kind: PushKind, data: Vec<Value>) -> PushInfo {
        PushInfo { kind, data }
    }

    #[test]
    fn a_copy_is_good_until_word_of_a_change_or_silence() {
        let keys = Keys::new("didt").expect("a prefix");
        let record = record();
        let key = Value::BulkString(keys.sessions_of(record.issuer).into_bytes());
        let foreign = Value::BulkString(b"other:{x}".to_vec());
        let words = [
            ("change", word(PushKind::Invalidate, vec![Value::Array(vec![key])])),
            ("flush", word(PushKind::Invalidate, vec![Value::Nil])),
            ("foreign", word(PushKind::Invalidate, vec![Value::Array(vec![foreign])])),
            ("lost", word(PushKind::Disconnection, vec![])),
        ];
        for (name, word) in words {
            let copies = Copies::new(1 << 20);
            let line = Arc::new(Line::answering());
            copies.put(&record, copies.changes.seen(record.issuer), Arc::clone(&line));
            assert!(copies.get(record.issuer, record.handle).is_some(), "{name}");
            copies.changes.hear(&keys, &word);
            assert!(copies.get(record.issuer, record.handle).is_none(), "{name}");
        }
    }

    #[test]
    fn a_session_read_before_word_and_put_away_after_it_is_not_good() {
        let copies = Copies::new(1 << 20);
        let record = record();
        let seen = copies.changes.seen(record.issuer);
        copies.changes.of(record.issuer.address());
        copies.put(&record, seen, Arc::new(Line::answering()));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }

    #[test]
    fn a_copy_is_not_good_while_its_line_is_silent_nor_for_another_issuer() {
        let copies = Copies::new(1 << 20);
        let record = record();
        let seen = copies.changes.seen(record.issuer);
        copies.put(&record, seen, Arc::new(Line::silent()));
        assert!(copies.get(record.issuer, record.handle).is_none());
        copies.put(&record, seen, Arc::new(Line::answering()));
        assert!(copies.get(record.issuer, record.handle).is_some());
        let other = "did:ethr:0x0000000000000000000000000000000000000001".parse().expect("one");
        assert!(copies.get(other, record.handle).is_none());
    }

    #[test]
    fn without_room_there_are_no_copies() {
        let copies = Copies::new(0);
        let record = record();
        let seen = copies.changes.seen(record.issuer);
        copies.put(&record, seen, Arc::new(Line::answering()));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }
}
