//! How long a used token has to be remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The oldest token that any clone of one `DidAuth` accepts. Clones share their store, so
/// a token must be marked alike by all of them, or it would be new to each.
#[derive(Clone, Debug)]
pub(in super::super) struct LongestAge(Arc<AtomicU64>);

impl LongestAge {
    pub(in super::super) fn new(max_age: Duration) -> Self {
        let longest = Self(Arc::default());
        longest.allow(max_age);
        longest
    }

    /// Rounds up to whole seconds: remembering for longer does no harm.
    pub(in super::super) fn allow(&self, max_age: Duration) {
        let rounded_up = max_age.as_secs().saturating_add(u64::from(max_age.subsec_nanos() > 0));
        self.0.fetch_max(rounded_up, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}
