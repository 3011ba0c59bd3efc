//! When the reports of a connection may be relied on: the rules, without the connection.
//!
//! Time is given, as the time since a moment that the caller chose, so that a clock that never runs
//! backwards has to be read in one place only.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::Invalidations;

/// How long to wait before connecting again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often a server is asked whether it can be believed, and for how long its answers count.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Rhythm {
    /// From one question to the next.
    pub(in crate::session) ping_interval: Duration,
    /// For how long a request waits for its answer.
    pub(in crate::session) timeout: Duration,
}

impl Rhythm {
    /// For how long after a question the copies are good, once it was answered.
    pub(in crate::session) fn trust(self) -> Duration {
        self.ping_interval + self.timeout
    }

    /// After how long without an answer a connection is given up. Longer than a request waits: a
    /// server that pauses for a moment needs no new connections.
    pub(in crate::session) fn patience(self) -> Duration {
        (4 * self.timeout).max(Duration::from_secs(1))
    }

    /// After how long a task that keeps a connection up, and has not run, is replaced: longer
    /// than it ever sleeps or waits.
    pub(in crate::session) fn standstill(self) -> Duration {
        self.patience() + self.trust()
    }
}

/// The pauses between attempts to connect: each up to twice as long as the one before, within a bound.
///
/// Machines that lost their connections at the same moment come back one after the other: each waits for a
/// random part of its pause, half of it at least.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Pauses(Duration);

impl Pauses {
    pub(in crate::session) const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    /// The pause after a connection that `was_up`, or was never made. Chance is in `dice`, evenly
    /// spread: 0 for the shortest pause.
    pub(in crate::session) fn after(&mut self, was_up: bool, dice: u32) -> Duration {
        if was_up {
            *self = Self::new();
        }
        let pause = self.0;
        self.0 = (2 * pause).min(LONGEST_PAUSE);
        pause / 2 + (pause / 2).mul_f64(f64::from(dice) / f64::from(u32::MAX))
    }

    /// The same by the operating system's dice. Where it has none the pause is the longest.
    pub(in crate::session) fn random(&mut self, was_up: bool) -> Duration {
        self.after(was_up, getrandom::u32().unwrap_or(u32::MAX))
    }
}

/// What the connection that brings a server's reports says about the copies.
///
/// Reports and answers come in the order in which the server acted. An answer to a question
/// therefore proves that every report up to that question has arrived, and copies are used for a
/// bounded time after such a question only.
#[derive(Debug)]
pub(in crate::session) struct Reports {
    invalidations: Arc<Invalidations>,
    rhythm: Rhythm,
    /// Until when answers count, and until when copies are good, in nanoseconds of the caller's
    /// time.
    believed_until: AtomicU64,
    trusted_until: AtomicU64,
    is_up: AtomicBool,
}

impl Reports {
    pub(in crate::session) const fn new(invalidations: Arc<Invalidations>, rhythm: Rhythm) -> Self {
        let (believed_until, trusted_until) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { invalidations, rhythm, believed_until, trusted_until, is_up: AtomicBool::new(false) }
    }

    /// Whether what the server says `now` counts: lately it has proved that it can be believed.
    ///
    /// Messages may lie about for long and arrive together. Without this a server that was the
    /// master when it answered an old question would be believed about a new one.
    #[cfg(any(test, feature = "redis"))]
    pub(in crate::session) fn is_believed(&self, now: Duration) -> bool {
        nanos(now) < self.believed_until.load(Ordering::Acquire)
    }

    /// Whether copies may be used `now`: a report about them would have arrived by now.
    pub(in crate::session) fn are_trusted(&self, now: Duration) -> bool {
        nanos(now) < self.trusted_until.load(Ordering::Acquire)
    }

    /// The server has answered a question asked at `asked`, and can be believed. Returns whether the
    /// connection is a new one: what was reported before it was made is not known.
    ///
    /// To be called after every report that came before the answer was applied. `reporting` says
    /// whether the server reports changes.
    pub(in crate::session) fn answered(&self, asked: Duration, reporting: bool) -> bool {
        let is_new = !self.is_up.swap(true, Ordering::AcqRel);
        if is_new {
            self.invalidations.all();
        }
        let until = nanos(asked + self.rhythm.trust());
        self.believed_until.store(until, Ordering::Release);
        if reporting {
            self.trusted_until.store(until, Ordering::Release);
        }
        is_new
    }

    /// The connection is lost: no copy is good from now on. Returns whether there was one. A
    /// server that cannot be reached costs the copies once, not at every attempt.
    pub(in crate::session) fn lost(&self) -> bool {
        self.believed_until.store(0, Ordering::Release);
        self.trusted_until.store(0, Ordering::Release);
        let was_up = self.is_up.swap(false, Ordering::AcqRel);
        if was_up {
            self.invalidations.all();
        }
        was_up
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RHYTHM: Rhythm =
        Rhythm { ping_interval: Duration::from_millis(250), timeout: Duration::from_millis(200) };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn reports() -> Reports {
        Reports::new(Arc::new(Invalidations::new(512, 0)), RHYTHM)
    }

    #[test]
    fn copies_are_good_for_a_bounded_time_after_the_question_not_after_its_answer() {
        let reports = reports();
        assert!(!reports.are_trusted(ms(0)));
        reports.answered(ms(1_000), true);
        assert!(reports.are_trusted(ms(1_449)) && reports.is_believed(ms(1_449)));
        assert!(!reports.are_trusted(ms(1_450)) && !reports.is_believed(ms(1_450)));
        // What a server says that reports nothing counts, and is not copied.
        reports.answered(ms(1_440), false);
        assert!(!reports.are_trusted(ms(1_450)) && reports.is_believed(ms(1_450)));
        reports.lost();
        assert!(!reports.is_believed(ms(1_450)));
    }

    #[test]
    fn a_new_connection_and_the_loss_of_one_drop_all_copies_once() {
        let reports = reports();
        let issuer = crate::did::Address::from_bytes([3; 20]).into();
        let mut seen = reports.invalidations.seen(issuer, 0);
        let mut dropped = || {
            let now = reports.invalidations.seen(issuer, 0);
            std::mem::replace(&mut seen, now) != now
        };
        assert!(reports.answered(ms(0), true) && dropped());
        assert!(!reports.answered(ms(250), true) && !dropped());
        assert!(reports.lost() && dropped());
        assert!(!reports.are_trusted(ms(251)));
        assert!(!reports.lost() && !dropped());
        assert!(reports.answered(ms(500), true) && dropped());
    }

    #[test]
    fn pauses_grow_up_to_half_a_second_and_begin_again_after_a_connection() {
        let mut pauses = Pauses::new();
        let longest = u32::MAX;
        let waited: Vec<_> = (0..8).map(|_| pauses.after(false, longest).as_millis()).collect();
        assert_eq!(waited, [10, 20, 40, 80, 160, 320, 500, 500]);
        assert_eq!(pauses.after(true, longest), ms(10));
        assert_eq!(pauses.after(false, longest), ms(20));
    }

    #[test]
    fn machines_that_lost_their_connections_together_come_back_apart() {
        let mut pauses = Pauses::new();
        for longest in [10, 20, 40, 80, 160, 320, 500, 500] {
            let by = |mut pauses: Pauses, dice| pauses.after(false, dice);
            let spread = [0, 1 << 30, 1 << 31, 3 << 30].map(|dice| by(pauses, dice));
            assert_eq!(spread[0], ms(longest) / 2);
            assert!(spread.is_sorted_by(|one, next| one < next), "{spread:?}");
            assert!(spread.iter().all(|pause| *pause < ms(longest)));
            let random: std::collections::BTreeSet<_> =
                (0..16).map(|_| pauses.clone().random(false)).collect();
            assert!(random.len() > 8, "{random:?}");
            pauses.after(false, 0);
        }
    }
}
