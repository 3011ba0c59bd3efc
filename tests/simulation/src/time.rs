//! One true time, and clocks that differ from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tower_didt::{Clock, Timestamp};

/// Microseconds since the simulation began.
pub(crate) type Micros = u64;

pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000 * MS;

/// What clocks that are right show when the simulation begins.
const BEGINNING: i64 = 1_700_000_000;

/// The true time, and what every process's monotonic clock follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time(Arc<AtomicU64>);

impl Time {
    pub(crate) fn now(&self) -> Micros {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_micros(self.now())
    }

    pub(crate) fn set(&self, now: Micros) {
        self.0.store(now, Ordering::Relaxed);
    }
}

/// A wall clock that is ahead of the true time, or behind it.
#[derive(Clone, Debug)]
pub(crate) struct WallClock {
    time: Time,
    ahead: Arc<AtomicI64>,
}

impl WallClock {
    /// `ahead` in microseconds.
    pub(crate) fn new(time: &Time, ahead: i64) -> Self {
        Self { time: time.clone(), ahead: Arc::new(AtomicI64::new(ahead)) }
    }

    pub(crate) fn reads(&self) -> Timestamp {
        at(self.time.now().saturating_add_signed(self.ahead.load(Ordering::Relaxed)))
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        self.reads()
    }
}

/// What a clock that is right shows then.
pub(crate) fn at(time: Micros) -> Timestamp {
    Timestamp::from_secs(BEGINNING).plus(Duration::from_micros(time))
}

/// A span in microseconds.
pub(crate) fn micros(span: Duration) -> Micros {
    Micros::try_from(span.as_micros()).unwrap_or(Micros::MAX)
}
