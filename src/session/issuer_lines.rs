//! One point in time for each of very many issuers, in a fixed amount of memory.

use std::fmt;
use std::hash::BuildHasher;

use crate::did::Issuer;

/// Cells for each entry that the memory in front of this holds: 128 bytes. With as many issuers
/// in here as the memory in front holds, one other issuer in 5,000 shares all its cells with
/// them; with four times as many one in 44, with sixteen times as many every other one.
const CELLS_PER_ENTRY: usize = 32;

/// So few cells that they are not worth saving, so that small memories are not all collisions.
const MIN_CELLS: usize = 4 * 1024;

/// 256 MiB, however much the memory in front may hold.
const MAX_CELLS: usize = 64 * 1024 * 1024;

/// How many cells each issuer has.
const CELLS_PER_ISSUER: u64 = 4;

/// Its key is random, so that nobody can choose whose cells to share.
#[cfg(not(test))]
type Hashing = std::hash::RandomState;

/// Always the same in tests: with random keys, one in some thousand runs would have an issuer that
/// shares its cells with others, where a test says that it does not.
#[cfg(test)]
type Hashing = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// What became too much to remember one by one: for each issuer a line, in seconds since the
/// Unix epoch, at or below which everything of that issuer's counts as the worse.
///
/// A line is **never too low**. It may be too high, where all cells of an issuer are also those of
/// others whose lines are higher: each issuer has four cells, raising a line raises all four, and
/// the lowest is the line.
///
/// So one issuer raises only its own line, whatever it does, and many issuers raise those
/// of a few others, up to their own lines. Nothing has to be removed: a line that lies in the
/// past is of no consequence for what comes later.
///
/// Takes no memory before the first line is raised.
pub(super) struct IssuerLines {
    cells: Vec<u32>,
    len: usize,
    hasher: Hashing,
}

impl IssuerLines {
    /// Behind a memory of `max` entries.
    pub(super) fn behind(max: usize) -> Self {
        let len = max.saturating_mul(CELLS_PER_ENTRY).clamp(MIN_CELLS, MAX_CELLS);
        Self { cells: Vec::new(), len, hasher: Hashing::default() }
    }

    /// Raises an issuer's line to `seconds`, or leaves it if it is higher.
    pub(super) fn raise(&mut self, issuer: Issuer, seconds: u32) {
        if self.cells.is_empty() {
            self.cells = vec![0; self.len];
        }
        for place in self.places(issuer) {
            if let Some(cell) = self.cells.get_mut(place) {
                // 0 means that there is no line.
                *cell = (*cell).max(seconds).max(1);
            }
        }
    }

    /// An issuer's line, or one that is higher; `None` if it certainly has none.
    pub(super) fn of(&self, issuer: Issuer) -> Option<u32> {
        if self.cells.is_empty() {
            return None;
        }
        let line = self.places(issuer).filter_map(|place| self.cells.get(place)).min();
        line.copied().filter(|line| *line > 0)
    }

    fn places(&self, issuer: Issuer) -> impl Iterator<Item = usize> + use<> {
        let (hash, len) = (self.hasher.hash_one(issuer), self.len as u64);
        // Two halves make as many places as are wanted (Kirsch and Mitzenmacher, 2006).
        let (start, step) = (hash >> 32, hash & 0xffff_ffff | 1);
        (0..CELLS_PER_ISSUER).map(move |number| ((start + number * step) % len) as usize)
    }
}

impl fmt::Debug for IssuerLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerLines").field("cells", &self.cells.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Address;

    fn issuer(number: u64) -> Issuer {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&number.to_be_bytes());
        Address::from_bytes(address).into()
    }

    #[test]
    fn a_line_is_never_too_low_and_never_falls() {
        let mut lines = IssuerLines::behind(0);
        assert_eq!(lines.of(issuer(0)), None);
        // Far more issuers than there is room for.
        for number in 0..20_000 {
            lines.raise(issuer(number), number as u32);
            lines.raise(issuer(number), 5);
        }
        for number in 0..20_000 {
            assert!(lines.of(issuer(number)) >= Some((number as u32).max(5)), "{number}");
        }
    }

    #[test]
    fn one_issuer_raises_nobody_elses_line() {
        let mut lines = IssuerLines::behind(1_000);
        for seconds in 0..100_000 {
            lines.raise(issuer(0), seconds);
        }
        assert_eq!(lines.of(issuer(0)), Some(99_999));
        assert!((1..10_000).all(|number| lines.of(issuer(number)).is_none()));
    }

    /// The figures in the documentation.
    #[test]
    fn as_many_issuers_as_are_remembered_one_by_one_hardly_raise_others() {
        const MAX: u64 = 20_000;
        for (times, at_most) in [(1, 20), (4, 1_000), (16, 12_000)] {
            let mut lines = IssuerLines::behind(MAX as usize);
            (0..times * MAX).for_each(|number| lines.raise(issuer(number), 7));
            let raised = (1 << 40..(1 << 40) + 20_000).filter(|n| lines.of(issuer(*n)).is_some());
            let raised = raised.count();
            assert!(raised <= at_most, "{raised} of 20,000 behind {times} times as many");
        }
    }
}
