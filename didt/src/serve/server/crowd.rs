//! Which connection gives way if there is no room for another: the one that has been idle longest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The connections of a listener that do nothing, in the order in which they began to. As many as
/// there may be connections.
#[derive(Debug, Default)]
pub(super) struct Crowd(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    idle: BTreeMap<u64, Arc<Notify>>,
}

impl Crowd {
    /// From now on this connection does nothing, until what is returned is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Idle {
        let told = Arc::new(Notify::new());
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next = waiting.next.wrapping_add(1);
        waiting.idle.insert(number, Arc::clone(&told));
        drop(waiting);
        Idle { crowd: Arc::clone(self), number, told }
    }

    /// Tells this many to go, the longest idle first; returns how many were told.
    pub(super) fn make_way(&self, count: usize) -> usize {
        let mut waiting = self.waiting();
        let mut told = 0;
        while told < count
            && let Some((_, idle)) = waiting.idle.pop_first()
        {
            idle.notify_one();
            told += 1;
        }
        told
    }

    /// Nothing inside of it can panic and leave it half changed.
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that does nothing.
#[derive(Debug)]
pub(super) struct Idle {
    crowd: Arc<Crowd>,
    number: u64,
    told: Arc<Notify>,
}

impl Idle {
    /// Waits until it has to give way to another.
    pub(super) async fn told_to_go(&self) {
        self.told.notified().await;
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.crowd.waiting().idle.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_told(idle: &Idle) -> bool {
        let told = std::pin::pin!(idle.told_to_go());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        told.poll(&mut cx).is_ready()
    }

    #[test]
    fn whoever_has_been_idle_for_longest_goes_first() {
        let crowd = Arc::new(Crowd::default());
        let (first, second) = (crowd.enter(), crowd.enter());
        drop(first);
        let again = crowd.enter();
        assert_eq!(crowd.make_way(1), 1);
        assert!(is_told(&second) && !is_told(&again), "the first was busy meanwhile");
        assert_eq!(crowd.make_way(5), 1, "nobody is told twice");
        assert!(is_told(&again));
        assert_eq!(crowd.make_way(1), 0);
    }
}
