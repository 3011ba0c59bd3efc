//! The oldest token that any clone of one `DidAuth` accepts.

use std::sync::Arc;
use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// The oldest token that any clone of one `DidAuth` accepts. Clones share their store, so
/// a token must be marked alike by all of them, or it would be new to each.
#[derive(Clone, Debug)]
pub(super) struct LongestAge(Arc<AtomicU64>);

impl LongestAge {
    pub(super) fn new(max_age: Duration) -> Self {
        let longest = Self(Arc::new(AtomicU64::new(0)));
        longest.allow(max_age);
        longest
    }

    /// Rounds up to whole seconds: remembering for longer does no harm.
    pub(super) fn allow(&self, max_age: Duration) {
        let rounded_up = max_age.as_secs().saturating_add(u64::from(max_age.subsec_nanos() > 0));
        self.0.fetch_max(rounded_up, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}
