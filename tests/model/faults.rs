//! How well a store can be reached.

use tower_didt::store::SessionStore;
use tower_didt_test_support::store::{Call, FaultyStore};

/// How the store behaves for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Nothing gets through.
    Down,
    /// Reads work, `touch` does not.
    ReadOnly,
}

impl Weather {
    pub(crate) fn set<S: SessionStore>(self, store: &FaultyStore<S>) {
        store.set_down(self == Self::Down);
        store.set_failing(Call::Touch, self == Self::ReadOnly);
    }
}
