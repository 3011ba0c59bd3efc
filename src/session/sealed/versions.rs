//! Which versions of sessions' data were followed by others, within bounds.

use std::collections::{BTreeSet, HashMap};

use super::ledger::SealedSession;
use crate::did::{Issuer, Timestamp};
use crate::session::SessionHandle;
use crate::session::issuer_lines::IssuerLines;
use crate::session::used_tokens::{FORGOTTEN_AT_A_TIME, rounded_up, start_of};

/// The newest version of each session whose data was changed, until the session ends.
///
/// Bounded in number, and never wrong about a version that is no longer the newest. What is forgotten
/// raises its issuer's line: the data of that issuer's other sessions, of those that end no later,
/// can no longer be changed. So many changes cost others nothing, but for the few issuers that
/// [`IssuerLines`] confuses.
#[derive(Debug)]
pub(super) struct Versions {
    max: usize,
    newest: HashMap<SessionHandle, Newest>,
    /// The sessions by their ends.
    by_end: BTreeSet<(Timestamp, SessionHandle)>,
    forgotten: IssuerLines,
}

#[derive(Debug)]
struct Newest {
    version: u64,
    issuer: Issuer,
}

impl Versions {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            newest: HashMap::new(),
            by_end: BTreeSet::new(),
            forgotten: IssuerLines::behind(max),
        }
    }

    pub(super) fn is_superseded(&self, session: &SealedSession, version: u64) -> bool {
        match self.newest.get(&session.handle) {
            Some(newest) => newest.version > version,
            None => self
                .forgotten
                .of(session.issuer)
                .is_some_and(|line| session.expires_at <= start_of(line)),
        }
    }

    pub(super) fn supersede(
        &mut self,
        session: &SealedSession,
        version: u64,
        now: Timestamp,
    ) -> bool {
        if self.is_superseded(session, version) {
            return false;
        }
        let newest = Newest { version: version.saturating_add(1), issuer: session.issuer };
        self.newest.insert(session.handle, newest);
        self.by_end.insert((session.expires_at, session.handle));
        self.shrink(now);
        true
    }

    /// Forgets sessions that have ended, and those that end first of what is too much.
    fn shrink(&mut self, now: Timestamp) {
        let mut ended = 0;
        while let Some((end, handle)) = self.by_end.first().copied() {
            let has_ended = end < now;
            let is_too_much = self.by_end.len() > self.max;
            if !is_too_much && (!has_ended || ended == FORGOTTEN_AT_A_TIME) {
                return;
            }
            ended += usize::from(has_ended);
            self.by_end.remove(&(end, handle));
            if let Some(newest) = self.newest.remove(&handle)
                && !has_ended
            {
                self.forgotten.raise(newest.issuer, rounded_up(end));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Address;
    use crate::session::Birth;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn session(issuer: u8, number: u64, ends_in: i64) -> SealedSession {
        let mut handle = [issuer; 32];
        handle[..8].copy_from_slice(&number.to_be_bytes());
        SealedSession {
            issuer: Address::from_bytes([issuer; 20]).into(),
            handle: SessionHandle::from_bytes(handle),
            birth: Birth::from_u64(number),
            expires_at: Timestamp::from_secs(1_700_000_000 + ends_in),
        }
    }

    #[test]
    fn each_version_is_followed_by_one() {
        let mut versions = Versions::new(10);
        let session = session(1, 1, 60);
        for version in 0..5 {
            assert!(!versions.is_superseded(&session, version));
            assert!(versions.supersede(&session, version, NOW));
            for earlier in 0..=version {
                assert!(versions.is_superseded(&session, earlier));
                assert!(!versions.supersede(&session, earlier, NOW));
            }
        }
        assert_eq!((versions.newest.len(), versions.by_end.len()), (1, 1), "one for all changes");
    }

    #[test]
    fn what_is_too_much_costs_its_issuer_only_and_never_brings_a_version_back() {
        let mut versions = Versions::new(100);
        let early = session(1, 0, 60);
        assert!(versions.supersede(&early, 0, NOW));
        // Another issuer's flood pushes it out.
        for number in 0..1_000 {
            versions.supersede(&session(2, number, 100), 0, NOW);
        }
        assert!(versions.newest.len() <= 100 && versions.by_end.len() <= 100);
        assert!(versions.is_superseded(&early, 0), "forgotten, and not free again");
        assert!((0..1_000).all(|number| versions.is_superseded(&session(2, number, 100), 0)));
        assert!(!versions.is_superseded(&session(1, 7, 61), 0), "one that ends later");
        assert!(!versions.is_superseded(&session(3, 7, 60), 0), "another issuer's");
    }

    #[test]
    fn however_many_sessions_have_ended_no_call_forgets_more_than_a_few() {
        const MANY: u64 = 1_000;
        let mut versions = Versions::new(10_000);
        for number in 0..MANY {
            versions.supersede(&session(1, number, 60), 0, NOW);
        }
        let later = Timestamp::from_secs(1_700_000_061);
        for number in 0..MANY {
            let before = versions.by_end.len();
            versions.supersede(&session(2, number, 900), 0, later);
            assert!(before + 1 - versions.by_end.len() <= FORGOTTEN_AT_A_TIME, "call {number}");
        }
        assert_eq!(versions.by_end.len() as u64, MANY, "those that live");
        assert_eq!(versions.newest.len(), versions.by_end.len());
    }

    #[test]
    fn sessions_that_have_ended_take_no_room() {
        let mut versions = Versions::new(100);
        for number in 0..50 {
            versions.supersede(&session(1, number, 60), 0, NOW);
        }
        versions.supersede(&session(2, 1, 900), 0, Timestamp::from_secs(1_700_000_061));
        assert_eq!((versions.newest.len(), versions.by_end.len()), (1, 1));
        assert!(!versions.is_superseded(&session(1, 99, 200), 0), "no line was raised");
    }
}
