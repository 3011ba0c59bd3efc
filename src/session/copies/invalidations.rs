//! Which local copies of what a server holds are out of date.

use crate::did::{Address, Issuer};
use crate::sync::{AtomicU64, Ordering};

/// One counter for this many bytes of copies, about as many as there are copies: a change of
/// one issuer then rarely costs another one's copy.
const BYTES_PER_COUNTER: u64 = 512;

/// The most counters: 8 MiB of them.
const MAX_COUNTERS: u64 = 1 << 20;

/// Counts what makes copies invalid: changes of what an issuer has, moves of a slot, and losses
/// of a connection.
#[derive(Debug)]
pub(in crate::session) struct Invalidations {
    issuers: Box<[AtomicU64]>,
    slots: Box<[AtomicU64]>,
    all: AtomicU64,
}

/// The sum of the counters that concern one issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Seen(u64);

impl Invalidations {
    /// Counters for copies that take up to `max_bytes`, and for `slots` slots: none where
    /// there is one server.
    pub(in crate::session) fn new(max_bytes: u64, slots: u16) -> Self {
        let issuers = (max_bytes / BYTES_PER_COUNTER).clamp(1, MAX_COUNTERS);
        Self {
            issuers: (0..issuers).map(|_| AtomicU64::new(0)).collect(),
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
        }
    }

    /// The counters of an issuer, whose keys are in `slot`.
    pub(in crate::session) fn seen(&self, issuer: Issuer, slot: u16) -> Seen {
        let read = |counter: Option<&AtomicU64>| counter.map_or(0, |it| it.load(Ordering::Acquire));
        let issuer = read(self.counter(issuer.address()));
        let slot = read(self.slots.get(usize::from(slot)));
        // Counters only ever grow, so the sum is the same only while none of them changed.
        Seen(issuer.wrapping_add(slot).wrapping_add(self.all.load(Ordering::Acquire)))
    }

    /// Makes every copy of an issuer invalid.
    pub(in crate::session) fn of_issuer(&self, address: Address) {
        if let Some(counter) = self.counter(address) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Makes every copy of what is in a slot invalid.
    #[cfg(any(test, feature = "redis"))]
    pub(in crate::session) fn of_slot(&self, slot: u16) {
        if let Some(counter) = self.slots.get(usize::from(slot)) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Makes every copy invalid.
    pub(in crate::session) fn all(&self) {
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    /// Addresses are the ends of Keccak hashes: any of their bytes spread evenly.
    fn counter(&self, address: Address) -> Option<&AtomicU64> {
        let (_, low) = address.as_bytes().split_last_chunk::<8>()?;
        let number = u64::from_be_bytes(*low).checked_rem(self.issuers.len() as u64)?;
        self.issuers.get(usize::try_from(number).ok()?)
    }
}
