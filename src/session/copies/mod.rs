//! Copies in this process of what a server holds, and when they must not be used.
//!
//! The server reports when something changes that others may have copies of. Every
//! issuer belongs to one of many counters, and any report about the issuer
//! advances that counter. A copy carries what the counter showed *before* it was
//! asked for, and is good while it still shows that. So nothing has to be
//! removed when a report comes, and what was read before the report, and is stored
//! after it, was never good.
//!
//! A copy is good only while reports about it would arrive: it carries the [`Reporter`] that
//! they come by.

mod flights;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
mod invalidations;
mod keeper;
mod reports;

use std::hash::Hash;
use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

pub(super) use self::flights::Flights;
pub(super) use self::invalidations::{Invalidations, Seen};
pub(super) use self::keeper::{Keeper, Kept, Term};
#[cfg(all(feature = "redis", tower_didt_internals))]
pub(super) use self::reports::Pauses;
pub(super) use self::reports::{Reports, Rhythm};
use crate::did::{Address, Issuer};
use crate::session::{SessionHandle, SessionRecord};

/// What a copy takes beside its value: the cache's own entry and queues.
const OVERHEAD: usize = 350;

/// Brings the reports about changes.
pub(super) trait Reporter: Send + Sync + 'static {
    /// Whether a report would have arrived by now: a question by the same way was answered lately.
    fn is_trusted(&self) -> bool;

    /// Whether its server owns a slot, so that it hears of changes there. Servers without slots
    /// own everything.
    fn owns(&self, slot: u16) -> bool;
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
pub(super) struct Copies<T: Copied, R: Reporter> {
    cache: Option<Cache<T::Name, Arc<Cached<T, R>>>>,
    invalidations: Arc<Invalidations>,
}

struct Cached<T, R> {
    value: Arc<T>,
    slot: u16,
    seen: Seen,
    /// By which the server reports changes.
    reporter: Arc<R>,
}

/// A question whose answer may be copied.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    slot: u16,
    seen: Seen,
}

impl<T: Copied, R: Reporter> Copies<T, R> {
    /// Room for `max_bytes`; with 0 there are never any copies.
    pub(super) fn new(invalidations: Arc<Invalidations>, max_bytes: u64) -> Self {
        let cache = (max_bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|_, copy: &Arc<Cached<T, R>>| weight(copy.value.bytes()))
                .eviction_policy(EvictionPolicy::lru())
                .build()
        });
        Self { cache, invalidations }
    }

    /// To be called *before* the server is asked: what changes from then on makes the answer
    /// invalid as a copy.
    pub(super) fn asking(&self, issuer: Issuer, slot: u16) -> Asked {
        Asked { slot, seen: self.invalidations.seen(issuer, slot) }
    }

    /// The copy, if nothing has invalidated it and its reporter is trusted.
    pub(super) fn get(&self, issuer: Issuer, name: T::Name) -> Option<Arc<T>> {
        let copy = self.cache.as_ref()?.get(&name)?;
        let good = copy.value.issuer() == issuer
            && copy.seen == self.invalidations.seen(issuer, copy.slot)
            && copy.reporter.is_trusted();
        good.then(|| Arc::clone(&copy.value))
    }

    /// Keeps a copy of an answer, if its reporter is trusted and owns the slot, and nothing has
    /// changed since `asked`. Without a reporter nobody would hear of changes, and there is no copy.
    pub(super) fn put(&self, value: &Arc<T>, asked: Asked, reporter: Option<Arc<R>>) {
        let Asked { slot, seen } = asked;
        if let (Some(cache), Some(reporter)) = (&self.cache, reporter)
            && reporter.is_trusted()
            && reporter.owns(slot)
            && seen == self.invalidations.seen(value.issuer(), slot)
        {
            let value = Arc::clone(value);
            cache.insert(value.name(), Arc::new(Cached { value, slot, seen, reporter }));
        }
    }
}

/// To be held while an issuer's sessions are changed: afterwards, however that went, this
/// process's copies are not good. The report would come too late for a request that follows on the
/// answer.
pub(super) struct Changing<'a> {
    invalidations: &'a Invalidations,
    address: Address,
}

impl<'a> Changing<'a> {
    pub(super) fn of(invalidations: &'a Invalidations, issuer: Issuer) -> Self {
        Self { invalidations, address: issuer.address() }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        self.invalidations.of_issuer(self.address);
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

    fn copies(max_bytes: u64) -> Copies<SessionRecord, Answering> {
        Copies::new(Arc::new(Invalidations::new(max_bytes, 0)), max_bytes)
    }

    /// Whether the server answers.
    struct Answering(bool);

    impl Reporter for Answering {
        fn is_trusted(&self) -> bool {
            self.0
        }

        fn owns(&self, slot: u16) -> bool {
            slot == 0
        }
    }

    #[test]
    fn a_session_read_before_a_report_and_stored_after_it_is_not_good() {
        let copies = copies(1 << 20);
        let record = record();
        let asked = copies.asking(record.issuer, 0);
        copies.invalidations.of_issuer(record.issuer.address());
        copies.put(&record, asked, Some(Arc::new(Answering(true))));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }

    #[test]
    fn a_copy_is_not_good_while_its_reporter_is_silent_nor_for_another_issuer() {
        let copies = copies(1 << 20);
        let record = record();
        let asked = copies.asking(record.issuer, 0);
        copies.put(&record, asked, Some(Arc::new(Answering(false))));
        assert!(copies.get(record.issuer, record.handle).is_none());
        copies.put(&record, asked, Some(Arc::new(Answering(true))));
        assert!(copies.get(record.issuer, record.handle).is_some());
        let other = "did:ethr:0x0000000000000000000000000000000000000001".parse().expect("one");
        assert!(copies.get(other, record.handle).is_none());
    }

    #[test]
    fn there_is_no_copy_without_a_reporter_or_of_a_slot_that_it_does_not_own() {
        let copies = copies(1 << 20);
        let record = record();
        copies.put(&record, copies.asking(record.issuer, 0), None);
        assert!(copies.get(record.issuer, record.handle).is_none());
        copies.put(&record, copies.asking(record.issuer, 1), Some(Arc::new(Answering(true))));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }

    #[test]
    fn without_room_there_are_no_copies() {
        let copies = copies(0);
        let record = record();
        let asked = copies.asking(record.issuer, 0);
        copies.put(&record, asked, Some(Arc::new(Answering(true))));
        assert!(copies.get(record.issuer, record.handle).is_none());
    }
}
