//! Copies in this process of what Redis holds, and when they must not be used.
//!
//! Redis reports when a key that we have read changes (`CLIENT TRACKING`). Every
//! issuer belongs to one of many counters, and any message about one of its keys
//! advances that counter. A copy carries what the counter showed *before* it was
//! asked for, and is good while it still shows that. So nothing has to be
//! removed when a message comes, and what was read before the message, and is stored
//! after it, was never good.
//!
//! Redis does not report a key that does not exist, or that is lost with its slot. In a
//! cluster a copy is therefore good only while the server that it came from owns the slot, see
//! [`ownership`](super::ownership).

use std::hash::Hash;
use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use redis::{PushInfo, PushKind, Value};

use super::invalidations::{Invalidations, Seen};
use super::keys::{Keys, Named, slot_of};
use super::link::Line;
use crate::did::Issuer;
use crate::session::{SessionHandle, SessionRecord};

/// The memory of a copy besides its value: the cache's entry and queues.
const OVERHEAD: usize = 350;

impl Invalidations {
    /// Applies a message from Redis. One that is not understood makes every copy invalid.
    pub(super) fn apply(&self, keys: &Keys, message: &PushInfo) {
        match (&message.kind, message.data.as_slice()) {
            (PushKind::Invalidate, [Value::Array(changed)]) => {
                for key in changed {
                    self.apply_key(keys, key);
                }
            }
            (PushKind::Invalidate | PushKind::Disconnection, _) => self.all(),
            _ => {}
        }
    }

    fn apply_key(&self, keys: &Keys, key: &Value) {
        let named = match key {
            Value::BulkString(key) => keys.read(key),
            Value::SimpleString(key) => keys.read(key.as_bytes()),
            _ => None,
        };
        match named {
            Some(Named::CopiedOf(address)) => self.of_issuer(address),
            Some(Named::Other) => {}
            None => self.all(),
        }
    }
}

/// What there are copies of.
pub(super) trait Copied: Send + Sync + 'static {
    type Name: Copy + Eq + Hash + Send + Sync + 'static;

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
    cache: Option<Cache<T::Name, Arc<Cached<T>>>>,
    invalidations: Arc<Invalidations>,
}

struct Cached<T> {
    value: Arc<T>,
    slot: u16,
    seen: Seen,
    /// The line by which Redis answered, and by which it reports changes.
    line: Arc<Line>,
}

/// A question to Redis whose answer may be copied.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    slot: u16,
    seen: Seen,
}

impl<T: Copied> Copies<T> {
    /// Room for `max_bytes`; with 0 there are never any copies.
    pub(super) fn new(invalidations: Arc<Invalidations>, max_bytes: u64) -> Self {
        let cache = (max_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_, copy: &Arc<Cached<T>>| weight(copy.value.bytes()))
                .eviction_policy(EvictionPolicy::lru())
                .build()
        });
        Self { cache, invalidations }
    }

    /// To be called *before* Redis is asked: what changes from then on makes the answer
    /// invalid as a copy.
    pub(super) fn asking(&self, issuer: Issuer) -> Asked {
        let slot = slot_of(issuer);
        Asked { slot, seen: self.invalidations.seen(issuer, slot) }
    }

    /// The copy, if nothing has invalidated it and its connection is trusted.
    pub(super) fn get(&self, issuer: Issuer, name: T::Name) -> Option<Arc<T>> {
        let copy = self.cache.as_ref()?.get(&name)?;
        let good = copy.value.issuer() == issuer
            && copy.seen == self.invalidations.seen(issuer, copy.slot)
            && copy.line.is_trusted();
        good.then(|| Arc::clone(&copy.value))
    }

    /// Keeps a copy of an answer, if the line that it came by is trusted, its server owns the
    /// slot, and nothing has changed since `asked`. Without a line it came from a server that
    /// does not own the slot yet, and there is no copy.
    pub(super) fn put(&self, value: &Arc<T>, asked: Asked, line: Option<Arc<Line>>) {
        let Asked { slot, seen } = asked;
        if let (Some(cache), Some(line)) = (&self.cache, line)
            && line.is_trusted()
            && line.owns(slot)
            && seen == self.invalidations.seen(value.issuer(), slot)
        {
            let value = Arc::clone(value);
            cache.insert(value.name(), Arc::new(Cached { value, slot, seen, line }));
        }
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.saturating_add(OVERHEAD)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Timestamp;
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

    fn copies(max_bytes: u64) -> Copies<SessionRecord> {
        Copies::new(Arc::new(Invalidations::new(max_bytes, 0)), max_bytes)
    }

    fn message(kind: PushKind, data: Vec<Value>) -> PushInfo {
        PushInfo { kind, data }
    }

    #[test]
    fn a_copy_is_good_until_a_message_about_its_key_or_about_anything_unknown() {
        let keys = Keys::new("didt").expect("a prefix");
        let record = record();
        let key = Value::BulkString(keys.sessions_of(record.issuer).into_bytes());
        let foreign = Value::BulkString(b"other:{x}".to_vec());
        let messages = [
            ("change", message(PushKind::Invalidate, vec![Value::Array(vec![key])])),
            ("flush", message(PushKind::Invalidate, vec![Value::Nil])),
            ("foreign", message(PushKind::Invalidate, vec![Value::Array(vec![foreign])])),
            ("lost", message(PushKind::Disconnection, vec![])),
        ];
        for (name, message) in messages {
            let copies = copies(1 << 20);
            let line = Arc::new(Line::answering());
            copies.put(&record, copies.asking(record.issuer), Some(Arc::clone(&line)));
            assert!(copies.get(record.issuer, record.handle).is_some(), "{name}");
            copies.invalidations.apply(&keys, &message);
            assert!(copies.get(record.issuer, record.handle).is_none(), "{name}");
        }
    }

    #[test]
    fn a_session_read_before_a_message_and_stored_after_it_is_not_good() {
        let copies = copies(1 << 20);
        let record = record();
        let asked = copies.asking(record.issuer);
        copies.invalidations.of_issuer(record.issuer.address());
        copies.put(&record, asked, Some(Arc::new(Line::answering())));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }

    #[test]
    fn a_copy_is_not_good_while_its_line_is_silent_nor_for_another_issuer() {
        let copies = copies(1 << 20);
        let record = record();
        let asked = copies.asking(record.issuer);
        copies.put(&record, asked, Some(Arc::new(Line::silent())));
        assert!(copies.get(record.issuer, record.handle).is_none());
        copies.put(&record, asked, Some(Arc::new(Line::answering())));
        assert!(copies.get(record.issuer, record.handle).is_some());
        let other = "did:ethr:0x0000000000000000000000000000000000000001".parse().expect("one");
        assert!(copies.get(other, record.handle).is_none());
    }

    #[test]
    fn without_room_there_are_no_copies() {
        let copies = copies(0);
        let record = record();
        let asked = copies.asking(record.issuer);
        copies.put(&record, asked, Some(Arc::new(Line::answering())));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }
}
