//! The line of those who wait: who is awake, who sleeps, who is next.

use std::collections::BTreeMap;
use std::mem;
use std::task::Waker;
use std::time::{Duration, Instant};

/// The numbers that [`Turns`](super::Turns) documents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) at_once: u32,
    pub(super) awake: usize,
    /// Asked for each time, as a runtime is known only where one is polled.
    pub(super) times_to_give_way: fn() -> u32,
    pub(super) parked: usize,
    pub(super) longest_between_polls: Duration,
}

/// All who wait.
pub(super) struct Line {
    limits: Limits,
    /// Checks since the last one that gave way first.
    in_a_row: u32,
    /// Those awake, each with when it was last polled, or woken. No more than the limit.
    awake: Vec<(u64, Instant)>,
    /// By number: the first is the one that came first, and any can leave.
    parked: BTreeMap<u64, Waker>,
    next_number: u64,
}

/// Where one of them is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// Not polled yet. It holds no place, so a future that is never polled takes none.
    Outside,
    Parked {
        number: u64,
    },
    Awake {
        number: u64,
        gave_way: u32,
    },
    Through,
}

impl Line {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, in_a_row: 0, awake: Vec::new(), parked: BTreeMap::new(), next_number: 0 }
    }

    /// Whether a check may be made at once; then it is counted.
    pub(super) fn pass_by(&mut self) -> bool {
        let free = self.awake.is_empty() && self.in_a_row < self.limits.at_once;
        self.in_a_row += u32::from(free);
        free
    }

    /// What follows when one of them is polled. [`wake_next`](Self::wake_next) is due then. The waker
    /// that is no longer needed has to be dropped without the lock.
    pub(super) fn poll(
        &mut self,
        place: Place,
        waker: &Waker,
        now: Instant,
    ) -> (Place, Option<Waker>) {
        let place = match place {
            Place::Outside => self.enter(waker, now),
            Place::Parked { number } => match self.parked.get_mut(&number) {
                Some(known) if known.will_wake(waker) => place,
                Some(known) => return (place, Some(mem::replace(known, waker.clone()))),
                // Taken off the list, it was put among those awake.
                None => self.stay_awake(number, 1, now),
            },
            Place::Awake { number, gave_way } if gave_way < (self.limits.times_to_give_way)() => {
                self.stay_awake(number, gave_way + 1, now)
            }
            Place::Awake { number, .. } => {
                self.in_a_row = 1;
                self.no_longer_awake(number);
                Place::Through
            }
            Place::Through => place,
        };
        (place, None)
    }

    /// One of them gives up. [`wake_next`](Self::wake_next) is due then. The waker that is no longer
    /// needed has to be dropped without the lock.
    pub(super) fn withdraw(&mut self, place: Place) -> Option<Waker> {
        match place {
            Place::Outside | Place::Through => None,
            Place::Parked { number } => self.parked.remove(&number).or_else(|| {
                // Woken, and not polled since.
                self.no_longer_awake(number);
                None
            }),
            Place::Awake { number, .. } => {
                self.no_longer_awake(number);
                None
            }
        }
    }

    /// Takes the first off the list of those parked, if there is room among those awake.
    pub(super) fn wake_next(&mut self, now: Instant) -> Option<Waker> {
        if self.parked.is_empty() {
            return None;
        }
        self.give_up_on_those_asleep(now);
        if self.awake.len() >= self.limits.awake {
            return None;
        }
        let (number, waker) = self.parked.pop_first()?;
        self.awake.push((number, now));
        Some(waker)
    }

    fn enter(&mut self, waker: &Waker, now: Instant) -> Place {
        if self.parked.len() >= self.limits.parked {
            return Place::Through;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.give_up_on_those_asleep(now);
        // Where others are parked and nobody is awake, nobody would wake them, or this one: it does not
        // wait behind them, since they may be futures that are not polled any more either.
        let goes_first = self.awake.is_empty();
        if goes_first || (self.parked.is_empty() && self.awake.len() < self.limits.awake) {
            self.awake.push((number, now));
            return Place::Awake { number, gave_way: 1 };
        }
        self.parked.insert(number, waker.clone());
        Place::Parked { number }
    }

    /// Those that were awake and are polled no longer have no place any more. If they are polled all
    /// the same, they get through beside the others.
    fn give_up_on_those_asleep(&mut self, now: Instant) {
        let longest = self.limits.longest_between_polls;
        self.awake.retain(|(_, polled)| now.saturating_duration_since(*polled) <= longest);
    }

    fn stay_awake(&mut self, number: u64, gave_way: u32, now: Instant) -> Place {
        if let Some((_, polled)) = self.awake.iter_mut().find(|(awake, _)| *awake == number) {
            *polled = now;
        }
        Place::Awake { number, gave_way }
    }

    fn no_longer_awake(&mut self, number: u64) {
        self.awake.retain(|(awake, _)| *awake != number);
    }
}

#[cfg(test)]
impl Line {
    pub(super) const fn awake_now(&self) -> usize {
        self.awake.len()
    }

    pub(super) fn parked_now(&self) -> usize {
        self.parked.len()
    }
}
