//! The line of those who wait: who is awake, who sleeps, who is next.

use std::collections::BTreeMap;
use std::task::Waker;

/// The numbers that [`Turns`](super::Turns) documents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) at_once: u32,
    pub(super) awake: usize,
    /// Asked for each time, as a runtime is known only where one is polled.
    pub(super) times_to_give_way: fn() -> u32,
    pub(super) parked: usize,
    pub(super) parked_per_rescue: u32,
}

/// All who wait.
pub(super) struct Line {
    limits: Limits,
    /// Checks since the last one that gave way first.
    in_a_row: u32,
    /// How many are awake, of those that count: see `rescue`.
    awake: usize,
    counted_from: u64,
    /// By number: the first is the one that came first, and any can leave.
    parked: BTreeMap<u64, Waker>,
    next_number: u64,
    /// How many were parked since somebody got through.
    parked_since: u32,
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
        Self {
            limits,
            in_a_row: 0,
            awake: 0,
            counted_from: 0,
            parked: BTreeMap::new(),
            next_number: 0,
            parked_since: 0,
        }
    }

    /// Whether a check may be made at once; then it is counted.
    pub(super) fn pass_by(&mut self) -> bool {
        let free = self.awake == 0 && self.in_a_row < self.limits.at_once;
        self.in_a_row += u32::from(free);
        free
    }

    /// What follows when one of them is polled. [`wake_next`](Self::wake_next) is due then.
    pub(super) fn poll(&mut self, place: Place, waker: &Waker) -> Place {
        match place {
            Place::Outside => self.enter(waker),
            Place::Parked { number } => match self.parked.get_mut(&number) {
                Some(known) => {
                    known.clone_from(waker);
                    place
                }
                // Taken off the list, it was counted among those awake.
                None => Place::Awake { number, gave_way: 1 },
            },
            Place::Awake { number, gave_way } if gave_way < (self.limits.times_to_give_way)() => {
                Place::Awake { number, gave_way: gave_way + 1 }
            }
            Place::Awake { number, .. } => {
                self.in_a_row = 1;
                self.parked_since = 0;
                self.no_longer_awake(number);
                Place::Through
            }
            Place::Through => place,
        }
    }

    /// One of them gives up. [`wake_next`](Self::wake_next) is due then.
    pub(super) fn withdraw(&mut self, place: Place) {
        match place {
            Place::Outside | Place::Through => {}
            Place::Parked { number } if self.parked.remove(&number).is_some() => {}
            // Awake, or woken and not polled since.
            Place::Parked { number } | Place::Awake { number, .. } => self.no_longer_awake(number),
        }
    }

    /// Takes the first off the list of those parked, if there is room among those awake.
    pub(super) fn wake_next(&mut self) -> Option<Waker> {
        if self.awake >= self.limits.awake {
            return None;
        }
        let (_, waker) = self.parked.pop_first()?;
        self.awake += 1;
        Some(waker)
    }

    fn enter(&mut self, waker: &Waker) -> Place {
        if self.parked.len() >= self.limits.parked {
            return Place::Through;
        }
        let number = self.next_number;
        self.next_number += 1;
        if self.awake < self.limits.awake && self.parked.is_empty() {
            self.awake += 1;
            return Place::Awake { number, gave_way: 1 };
        }
        self.parked.insert(number, waker.clone());
        self.parked_since += 1;
        if self.parked_since >= self.limits.parked_per_rescue {
            self.rescue();
        }
        Place::Parked { number }
    }

    /// Counts those that are awake no longer: they may be futures that somebody keeps and never polls.
    /// If they are not, they get through beside the others, and nobody takes their places.
    fn rescue(&mut self) {
        self.parked_since = 0;
        if let Some((first, _)) = self.parked.first_key_value() {
            self.counted_from = *first;
            self.awake = 0;
        }
    }

    fn no_longer_awake(&mut self, number: u64) {
        if number >= self.counted_from {
            self.awake -= 1;
        }
    }
}

#[cfg(test)]
impl Line {
    pub(super) const fn awake_now(&self) -> usize {
        self.awake
    }

    pub(super) fn parked_now(&self) -> usize {
        self.parked.len()
    }
}
