//! One issuer's sessions, oldest first.

use std::collections::BTreeMap;

use crate::did::Timestamp;
use crate::session::SessionHandle;

/// Up to this many sessions are kept in a list, which takes the least memory: most issuers have one
/// or two.
const MAX_LISTED: usize = 32;

/// A tree becomes a list again at this number: well below the other, so that a session that comes
/// and goes does not move all of them each time.
const LISTED_AGAIN: usize = MAX_LISTED / 2;

/// The latest place that a clock can yield, so that a broken clock leaves room for what comes
/// after. Below 2^53, as in the Redis store, whose scripts count in floats.
const LATEST_OF_A_CLOCK: u64 = 1 << 52;

/// Which session has which place in the order of its issuer's sessions.
///
/// Every change takes time that grows with the logarithm of their number.
#[derive(Debug)]
pub(super) enum Places {
    /// At most `MAX_LISTED` of them, in order.
    Few(Vec<(u64, SessionHandle)>),
    Many(BTreeMap<u64, SessionHandle>),
}

impl Default for Places {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Places {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(tree) => tree.len(),
        }
    }

    /// Puts a session behind all others; its place.
    ///
    /// Places are microseconds of the clock where that is later than the last place, so that an
    /// issuer whose sessions have all ended is not numbered from the beginning again: a cursor
    /// stays before what comes after it.
    pub(super) fn push(&mut self, handle: SessionHandle, now: Timestamp) -> u64 {
        let last = match self {
            Self::Few(list) => list.last().map(|(place, _)| *place),
            Self::Many(tree) => tree.last_key_value().map(|(place, _)| *place),
        };
        let place = of_clock(now).max(last.map_or(0, |last| last.saturating_add(1)));
        match self {
            Self::Few(list) if list.len() < MAX_LISTED => {
                // Most issuers have one session, for which a growing list would take four places.
                list.reserve_exact(1);
                list.push((place, handle));
            }
            Self::Few(list) => {
                let mut tree: BTreeMap<_, _> = list.drain(..).collect();
                tree.insert(place, handle);
                *self = Self::Many(tree);
            }
            Self::Many(tree) => {
                tree.insert(place, handle);
            }
        }
        place
    }

    /// Takes a session out: whether it was there. A place that is somebody else's by now is left to it.
    pub(super) fn remove(&mut self, place: u64, handle: &SessionHandle) -> bool {
        let held = self.holds(place, handle);
        if held {
            match self {
                Self::Few(list) => list.retain(|(known, _)| *known != place),
                Self::Many(tree) => _ = tree.remove(&place),
            }
        }
        self.give_back();
        held
    }

    /// Takes the oldest session out.
    pub(super) fn pop_oldest(&mut self) -> Option<SessionHandle> {
        let oldest = match self {
            Self::Few(list) if list.is_empty() => None,
            Self::Few(list) => Some(list.remove(0).1),
            Self::Many(tree) => tree.pop_first().map(|(_, handle)| handle),
        };
        self.give_back();
        oldest
    }

    /// Whether a session has this place.
    pub(super) fn holds(&self, place: u64, handle: &SessionHandle) -> bool {
        let held = match self {
            Self::Few(list) => {
                let found = list.binary_search_by_key(&place, |(place, _)| *place);
                found.ok().and_then(|index| list.get(index)).map(|(_, handle)| handle)
            }
            Self::Many(tree) => tree.get(&place),
        };
        held == Some(handle)
    }

    /// All sessions, the oldest first.
    pub(super) fn into_handles(self) -> impl Iterator<Item = SessionHandle> {
        let (few, many) = match self {
            Self::Few(list) => (list, BTreeMap::new()),
            Self::Many(tree) => (Vec::new(), tree),
        };
        few.into_iter().chain(many).map(|(_, handle)| handle)
    }

    /// So many sessions behind a place, or from the first one on.
    pub(super) fn behind(&self, place: Option<u64>, count: usize) -> Vec<(u64, SessionHandle)> {
        match self {
            Self::Few(list) => {
                let start = list.partition_point(|(known, _)| Some(*known) <= place);
                list.iter().skip(start).take(count).copied().collect()
            }
            Self::Many(tree) => {
                let start = match place {
                    Some(place) => std::ops::Bound::Excluded(place),
                    None => std::ops::Bound::Unbounded,
                };
                let behind = tree.range((start, std::ops::Bound::Unbounded));
                behind.take(count).map(|(place, handle)| (*place, *handle)).collect()
            }
        }
    }

    /// Frees memory that is no longer needed.
    fn give_back(&mut self) {
        match self {
            Self::Few(list) if list.capacity() > 2 * list.len() => list.shrink_to_fit(),
            Self::Few(_) => {}
            Self::Many(tree) if tree.len() <= LISTED_AGAIN => {
                *self = Self::Few(std::mem::take(tree).into_iter().collect());
            }
            Self::Many(_) => {}
        }
    }
}

/// The place that a clock suggests.
pub(in crate::session) fn of_clock(now: Timestamp) -> u64 {
    // From a float, `as` saturates: what is before the epoch is 0.
    ((now.as_secs_f64() * 1e6) as u64).min(LATEST_OF_A_CLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn handle(number: u64) -> SessionHandle {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        SessionHandle::from_bytes(bytes)
    }

    /// Random calls, compared with a plain list that does the same.
    #[test]
    fn list_and_tree_do_what_a_plain_list_does() {
        let (mut places, mut model) = (Places::default(), Vec::<(u64, SessionHandle)>::new());
        let (mut dice, mut trees) = (1_u64, 0);
        for number in 0..20_000 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let any = (dice >> 20) as usize % model.len().max(1);
            // Grows to a hundred or so, and shrinks to none, again and again.
            let grows = number % 400 < 200;
            match dice >> 61 {
                0..5 if grows => model.push((places.push(handle(number), NOW), handle(number))),
                5 if grows => assert!(!places.remove(u64::MAX, &handle(number))),
                0..2 => {
                    assert_eq!(places.pop_oldest(), model.first().map(|(_, handle)| *handle));
                    model.drain(..1.min(model.len()));
                }
                2..6 if !model.is_empty() => {
                    let (place, known) = model.remove(any);
                    assert!(!places.remove(place, &handle(u64::MAX)), "somebody else's");
                    assert!(places.remove(place, &known));
                }
                _ => {
                    let place = model.get(any).map(|(place, _)| *place);
                    let behind = model.iter().copied().filter(|(known, _)| Some(*known) > place);
                    let expected: Vec<_> = behind.take(7).collect();
                    assert_eq!(places.behind(place, 7), expected);
                }
            }
            assert_eq!(places.len(), model.len());
            assert_eq!(places.behind(None, usize::MAX), model);
            trees += usize::from(matches!(places, Places::Many(_)));
        }
        assert!(model.is_sorted_by_key(|(place, _)| *place));
        assert!((1_000..19_000).contains(&trees), "{trees} of 20,000 as a tree");
    }

    #[test]
    fn places_follow_each_other_whatever_the_clock_says() {
        let mut places = Places::default();
        let clocks = [NOW, Timestamp::MAX, NOW, Timestamp::from_secs(i64::MIN), Timestamp::MAX];
        let given = clocks.map(|now| places.push(handle(1), now));
        assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
        assert!(given[4] < 1 << 53, "exact as a float");
    }

    #[test]
    fn after_the_last_has_ended_places_do_not_begin_again() {
        let mut places = Places::default();
        let first = places.push(handle(1), NOW);
        places.pop_oldest();
        let later = NOW.plus(std::time::Duration::from_secs(1));
        assert!(places.push(handle(2), later) > first);
    }

    #[test]
    fn few_that_are_left_of_many_take_the_room_of_few() {
        let mut places = Places::default();
        for number in 0..MAX_LISTED as u64 {
            places.push(handle(number), NOW);
        }
        while places.len() > 1 {
            places.pop_oldest();
        }
        let Places::Few(list) = places else { panic!("a tree of one") };
        assert!(list.capacity() <= 2, "room for {}", list.capacity());
    }
}
