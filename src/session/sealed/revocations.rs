//! Which sessions were ended, within bounds.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::ledger::{Birth, SealedSession};
use crate::did::{Issuer, Timestamp};
use crate::session::SessionHandle;
use crate::session::issuer_lines::IssuerLines;

/// How many ended sessions of one issuer are remembered one by one.
pub(in crate::session) const MAX_PER_ISSUER: usize = 64;

/// How far a clock may go back, or differ from another machine's, before
/// the end of all misses a session: as much as tokens are allowed.
pub(in crate::session) const MAX_CLOCK_SKEW: Duration = crate::did::DEFAULT_LEEWAY;

/// Of what births count, in a second of a line.
const MICROS: u64 = 1_000_000;

/// Ended sessions: one by one, and by issuer "all that were born until then".
///
/// Bounded in number, and never wrong about an ended one. What is forgotten raises its
/// issuer's line, below which everything of that issuer's counts as ended. So who ends very
/// many sessions of one issuer loses older ones of that issuer. A flood of sign-outs by very many
/// issuers ends their own sessions, and those of the few whom [`IssuerLines`] confuses with them.
#[derive(Debug)]
pub(super) struct Revocations {
    max: usize,
    remembered: usize,
    issuers: HashMap<Issuer, Ended>,
    /// Every issuer by the first thing to forget of it.
    oldest: BTreeSet<(Birth, Issuer)>,
    /// Below its line all sessions of an issuer count as ended.
    forgotten: IssuerLines,
    /// The same for everybody: for births that no clock gives which is right, and lines cannot
    /// hold.
    beyond_lines: Option<Birth>,
    /// The latest birth that a clock suggested.
    latest: Birth,
}

/// What was ended of one issuer.
#[derive(Debug, Default)]
struct Ended {
    /// All sessions born until then.
    until: Option<Birth>,
    /// Single ones, born later, in order. A list: most issuers have one or two.
    sessions: Vec<(Birth, SessionHandle)>,
}

impl Revocations {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            remembered: 0,
            issuers: HashMap::new(),
            oldest: BTreeSet::new(),
            forgotten: IssuerLines::behind(max),
            beyond_lines: None,
            latest: Birth::from_u64(0),
        }
    }

    #[cfg(test)]
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// A birth after everything that was ended for this issuer.
    pub(super) fn next_birth(&mut self, issuer: Issuer, now: Timestamp) -> Birth {
        let clock = Birth::at(now);
        self.latest = self.latest.max(clock);
        self.after_all_ends(issuer).map_or(clock, |after| after.max(clock))
    }

    pub(super) fn has_ended(&self, session: &SealedSession) -> bool {
        self.line_of(session.issuer) >= Some(session.birth)
            || self.issuers.get(&session.issuer).is_some_and(|ended| {
                ended.until >= Some(session.birth)
                    || ended.sessions.binary_search(&(session.birth, session.handle)).is_ok()
            })
    }

    pub(super) fn end(&mut self, session: &SealedSession) -> bool {
        if self.has_ended(session) {
            return false;
        }
        self.change(session.issuer, |ended| {
            let new = (session.birth, session.handle);
            let place = ended.sessions.partition_point(|known| *known < new);
            ended.sessions.reserve_exact(1);
            ended.sessions.insert(place, new);
            if ended.sessions.len() > MAX_PER_ISSUER {
                ended.until = Some(ended.sessions.remove(0).0);
            }
        });
        self.keep_within_bounds();
        true
    }

    pub(super) fn end_all(&mut self, issuer: Issuer, now: Timestamp) {
        // Every birth given out so far is one that a clock suggested, or the next
        // one after the issuer's last end. Other processes' are not known here.
        let clocks = Birth::at(now.plus(MAX_CLOCK_SKEW)).max(self.latest);
        let until = self.after_all_ends(issuer).map_or(clocks, |after| after.max(clocks));
        self.change(issuer, |ended| {
            ended.until = Some(until);
            ended.sessions.retain(|(birth, _)| *birth > until);
            ended.sessions.shrink_to_fit();
        });
        self.keep_within_bounds();
    }

    fn after_all_ends(&self, issuer: Issuer) -> Option<Birth> {
        let until = self.issuers.get(&issuer).and_then(|ended| ended.until);
        until.max(self.line_of(issuer)).map(Birth::next)
    }

    /// What was forgotten of an issuer's ends.
    fn line_of(&self, issuer: Issuer) -> Option<Birth> {
        let line = self.forgotten.of(issuer).map(|seconds| u64::from(seconds) * MICROS);
        line.map(Birth::from_u64).max(self.beyond_lines)
    }

    fn keep_within_bounds(&mut self) {
        while self.remembered > self.max
            && let Some((birth, issuer)) = self.oldest.first().copied()
        {
            match u32::try_from(birth.as_u64().div_ceil(MICROS)) {
                Ok(seconds) => self.forgotten.raise(issuer, seconds),
                Err(_) => self.beyond_lines = self.beyond_lines.max(Some(birth)),
            }
            self.change(issuer, Ended::forget_oldest);
        }
    }

    /// Changes what is known of an issuer, and keeps the books.
    fn change(&mut self, issuer: Issuer, change: impl FnOnce(&mut Ended)) {
        let ended = self.issuers.entry(issuer).or_default();
        let (before, old) = (ended.len(), ended.oldest());
        change(ended);
        let (after, new) = (ended.len(), ended.oldest());
        if after == 0 {
            self.issuers.remove(&issuer);
        }
        if let Some(birth) = old {
            self.oldest.remove(&(birth, issuer));
        }
        if let Some(birth) = new {
            self.oldest.insert((birth, issuer));
        }
        self.remembered = self.remembered.saturating_sub(before) + after;
    }
}

impl Ended {
    fn len(&self) -> usize {
        usize::from(self.until.is_some()) + self.sessions.len()
    }

    /// `until` is before all single sessions.
    fn oldest(&self) -> Option<Birth> {
        self.until.or_else(|| self.sessions.first().map(|(birth, _)| *birth))
    }

    fn forget_oldest(&mut self) {
        if self.until.take().is_none() && !self.sessions.is_empty() {
            self.sessions.remove(0);
        }
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

    fn session(issuer: Issuer, birth: Birth, number: u64) -> SealedSession {
        let mut handle = [0; 32];
        handle[..8].copy_from_slice(&number.to_be_bytes());
        let handle = SessionHandle::from_bytes(handle);
        SealedSession { issuer, handle, birth, expires_at: Timestamp::MAX }
    }

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    #[test]
    fn births_follow_ends_whatever_the_clock_says() {
        let alice = issuer(1);
        for before in [-1_000_000, -1, 0, 1, 1_000_000] {
            let mut revocations = Revocations::new(1_000);
            let older = session(alice, revocations.next_birth(alice, at(before)), 1);
            revocations.end_all(alice, at(0));
            assert!(revocations.has_ended(&older), "{before}");
            for after in [-1_000_000, 0, 1_000_000] {
                let younger = session(alice, revocations.next_birth(alice, at(after)), 2);
                assert!(!revocations.has_ended(&younger), "{before}, then {after}");
                revocations.end_all(alice, at(0));
                assert!(revocations.has_ended(&younger), "{before}, then {after}");
            }
        }
    }

    #[test]
    fn sessions_of_a_process_whose_clock_is_ahead_are_ended_too() {
        let (alice, mut other) = (issuer(1), Revocations::new(10));
        other.end_all(alice, at(-1));
        let ahead = session(alice, other.next_birth(alice, at(-1)), 1);
        let mut revocations = Revocations::new(10);
        revocations.end_all(alice, at(0));
        assert!(revocations.has_ended(&ahead));
    }

    #[test]
    fn a_clock_gone_mad_locks_nobody_out() {
        let (alice, mut revocations) = (issuer(1), Revocations::new(10));
        for now in [Timestamp::MAX, at(0), Timestamp::MAX] {
            let older = session(alice, revocations.next_birth(alice, now), 1);
            revocations.end_all(alice, now);
            assert!(revocations.has_ended(&older));
        }
        let younger = session(alice, revocations.next_birth(alice, at(0)), 2);
        assert!(!revocations.has_ended(&younger));
    }

    #[test]
    fn of_one_issuer_as_many_ends_are_remembered_one_by_one_as_promised() {
        let (alice, mut revocations) = (issuer(1), Revocations::new(1_000));
        let mut born =
            |number: u64| session(alice, revocations.next_birth(alice, at(number as i64)), number);
        let oldest = born(0);
        let others: Vec<_> = (1..=MAX_PER_ISSUER as u64 + 1).map(&mut born).collect();
        for other in &others[..MAX_PER_ISSUER] {
            assert!(revocations.end(other));
            assert!(!revocations.has_ended(&oldest), "older, and nobody ended it");
        }
        assert!(revocations.end(&others[MAX_PER_ISSUER]));
        assert!(revocations.has_ended(&oldest), "one more: older ones are lost with it");
        assert!(others.iter().all(|other| revocations.has_ended(other)));
    }

    #[test]
    fn a_flood_of_sign_outs_ends_the_sessions_of_nobody_else() {
        const MAX: usize = 2_000;
        for keys in [1, 1_000, u64::MAX] {
            let mut revocations = Revocations::new(MAX);
            // Since long before, since a moment before, and one for each second of the flood.
            let mut honest: Vec<_> = [-86_400, -1]
                .map(|second| {
                    session(issuer(1 << 40), revocations.next_birth(issuer(1 << 40), at(second)), 1)
                })
                .into();
            for number in 0..4 * MAX as u64 {
                let (second, mallory) = ((number / 200) as i64, issuer(number % keys));
                let own = session(mallory, revocations.next_birth(mallory, at(second)), number);
                assert!(!revocations.has_ended(&own), "still-born");
                match number % 2 {
                    0 => revocations.end_all(mallory, at(second)),
                    _ => assert!(revocations.end(&own)),
                }
                assert!(revocations.has_ended(&own));
                assert!(revocations.remembered <= MAX);
                if number % 200 == 0 {
                    let user = issuer(1 << 41 | number);
                    let birth = revocations.next_birth(user, at(second));
                    honest.push(session(user, birth, number));
                }
            }
            let ended = honest.iter().filter(|session| revocations.has_ended(session)).count();
            // One in 44 is what was promised with four times as many as are remembered.
            assert!(ended <= 3, "{ended} of {} with {keys} keys", honest.len());
            let user = issuer(1 << 50);
            let after = session(user, revocations.next_birth(user, at(41)), 1);
            assert!(!revocations.has_ended(&after), "who comes after the flood");
        }
    }

    #[test]
    fn births_that_no_line_can_hold_stay_ended_too() {
        let mut revocations = Revocations::new(0);
        let mad = session(issuer(1), revocations.next_birth(issuer(1), Timestamp::MAX), 1);
        assert!(revocations.end(&mad));
        assert!(revocations.has_ended(&mad));
        let younger = session(issuer(1), revocations.next_birth(issuer(1), at(0)), 2);
        assert!(!revocations.has_ended(&younger));
    }

    /// Random calls, compared with a model without bounds.
    #[test]
    fn an_ended_session_is_never_taken_for_a_living_one() {
        for max in [0, 1, 5, 100, 100_000] {
            let mut revocations = Revocations::new(max);
            let mut sessions: Vec<(SealedSession, bool)> = Vec::new();
            let mut dice = 1_u64;
            for number in 0..8_000 {
                dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (what, who, when) = (dice >> 60, dice >> 40 & 0x1f, dice >> 20 & 0xff);
                match what {
                    0 => {
                        revocations.end_all(issuer(who), at(when as i64));
                        let own =
                            |known: &&mut (SealedSession, bool)| known.0.issuer == issuer(who);
                        sessions.iter_mut().filter(own).for_each(|known| known.1 = true);
                    }
                    1..6 => {
                        if let Some(known) = sessions.iter_mut().rev().nth(when as usize) {
                            revocations.end(&known.0);
                            known.1 = true;
                        }
                    }
                    _ => {
                        let birth = revocations.next_birth(issuer(who), at(when as i64));
                        let born = session(issuer(who), birth, number);
                        assert!(!revocations.has_ended(&born), "{max}: still-born");
                        sessions.push((born, false));
                    }
                }
                if number % 64 == 0 {
                    let counted: usize = revocations.issuers.values().map(Ended::len).sum();
                    assert_eq!(revocations.remembered, counted);
                    assert_eq!(revocations.oldest.len(), revocations.issuers.len());
                    assert!(counted <= max, "{counted} of {max}");
                }
            }
            let mut alive = 0;
            for (session, ended) in &sessions {
                assert!(!ended || revocations.has_ended(session), "{max}: an ended one lives");
                alive += usize::from(!revocations.has_ended(session));
            }
            assert!(max < 100 || alive > 0, "{max}: none is left");
        }
    }
}
