//! The one place that reads a clock.

use std::fmt;
use std::time::SystemTime;

use super::Timestamp;

/// Where the middleware reads the time.
///
/// The token verifier and the stores never read a clock: they are given `now`.
/// Tests use `testing::FixedClock`.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;
}

/// The operating system's wall clock, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }
}
