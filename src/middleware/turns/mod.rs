//! Signature checks take turns with all other requests of their thread.
//!
//! A check takes almost 0.1 ms, and a runtime polls the ready tasks of a thread one after the other:
//! with a hundred new tokens among them, everything else would wait for a hundred checks. So only the
//! first few checks are made at once. All others wait in line. One for each thread stays awake: it gives
//! way to whatever is ready a fixed number of times, and then checks. The rest are parked in the
//! order in which they came, until one of these is through.
//!
//! This needs no thread, no timer and no particular runtime: see [`give_way`].

mod give_way;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
mod line;
#[cfg(test)]
#[cfg(not(tower_didt_loom))]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use self::line::{Limits, Line, Place};
use crate::sync::Mutex;

/// How many checks are made at once, in a row, while nobody waits. So most sign-ins that come
/// singly never wait, and a flood is noticed after four.
const AT_ONCE: u32 = 4;

/// How many wait awake, for each thread that the machine can run. No more checks than this come in a
/// row, and every worker of a runtime can have one.
const AWAKE_PER_THREAD: usize = 1;

/// How many are parked: some 100 bytes each beside the requests that they belong to, and more than a
/// second's checks of one thread. Whoever comes then is checked at once, as if there were no line.
const MAX_PARKED: usize = 16_384;

/// One that is awake and was not polled for so long has no place any more: its program may keep the
/// future and never poll it again, or a handler may block its thread. Longer than a busy runtime
/// takes for a round of its tasks. Where it is too short, one check more in a row is made for each
/// such span.
const LONGEST_BETWEEN_POLLS: Duration = Duration::from_millis(100);

/// Who checks now, and who waits. Clones share the line.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<Line>>);

/// A place in line, ready when it is time to check. Dropped, it is free for the next.
pub(super) struct Turn {
    turns: Turns,
    place: Place,
}

impl Turns {
    pub(super) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        Self::with_limits(Limits {
            at_once: AT_ONCE,
            awake: AWAKE_PER_THREAD.saturating_mul(threads),
            times_to_give_way: give_way::times,
            parked: MAX_PARKED,
            longest_between_polls: LONGEST_BETWEEN_POLLS,
        })
    }

    fn with_limits(limits: Limits) -> Self {
        Self(Arc::new(Mutex::new(Line::new(limits))))
    }

    /// `None` to check at once, or what to wait for first.
    pub(super) fn take(&self) -> Option<Turn> {
        let at_once = self.change(Line::pass_by);
        (!at_once).then(|| Turn { turns: self.clone(), place: Place::Outside })
    }

    fn wake_next(&self, now: Instant) {
        // Outside of the lock: some wakers poll what they wake.
        while let Some(next) = self.change(|line| line.wake_next(now)) {
            next.wake();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Line) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn {
    fn poll_at(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let before = self.place;
        // Dropped outside of the lock: some wakers own the task that they wake, and with it other turns.
        let (place, _no_longer_needed) =
            self.turns.change(|line| line.poll(before, cx.waker(), now));
        self.place = place;
        if !matches!((before, place), (Place::Awake { .. }, Place::Awake { .. })) {
            self.turns.wake_next(now);
        }
        match place {
            Place::Through => Poll::Ready(()),
            Place::Awake { .. } => {
                give_way::once(cx);
                Poll::Pending
            }
            Place::Outside | Place::Parked { .. } => Poll::Pending,
        }
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_at(Instant::now(), cx)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.place != Place::Through {
            let _no_longer_needed = self.turns.change(|line| line.withdraw(self.place));
            self.turns.wake_next(Instant::now());
        }
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turns")
    }
}
