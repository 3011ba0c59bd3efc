//! Which copies of what Redis holds are out of date.

use crate::sync::{AtomicU64, Ordering};
use crate::{Address, Issuer};

/// One counter for this many bytes of copies, about as many as there are copies:
/// word about one issuer then rarely costs another one's copy.
const BYTES_PER_COUNTER: u64 = 512;

/// The most counters: 8 MiB of them.
const MAX_COUNTERS: u64 = 1 << 20;

/// How often anything of an issuer's has changed, as far as this process heard.
#[derive(Debug)]
pub(super) struct Changes {
    counters: Box<[AtomicU64]>,
    all: AtomicU64,
}

/// What a counter showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

impl Changes {
    pub(super) fn new(max_bytes: u64) -> Self {
        let counters = (max_bytes / BYTES_PER_COUNTER).clamp(1, MAX_COUNTERS);
        Self {
            counters: (0..counters).map(|_| AtomicU64::new(0)).collect(),
            all: AtomicU64::new(0),
        }
    }

    /// What an issuer's counter shows now.
    pub(super) fn seen(&self, issuer: Issuer) -> Seen {
        let own = self.counter(issuer.address()).map_or(0, |own| own.load(Ordering::Acquire));
        // Both only ever grow, so the sum is the same only while neither changed.
        Seen(own.wrapping_add(self.all.load(Ordering::Acquire)))
    }

    /// From now on no copy of anything of an issuer's is good.
    pub(super) fn of(&self, address: Address) {
        if let Some(own) = self.counter(address) {
            own.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// From now on no copy is good.
    pub(super) fn of_all(&self) {
        self.all.fetch_add(1, Ordering::AcqRel);
    }

    /// Addresses are the ends of Keccak hashes: any of their bytes spread evenly.
    fn counter(&self, address: Address) -> Option<&AtomicU64> {
        let (_, low) = address.as_bytes().split_last_chunk::<8>()?;
        let number = u64::from_be_bytes(*low).checked_rem(self.counters.len() as u64)?;
        self.counters.get(usize::try_from(number).ok()?)
    }
}
