//! Sessions in this process's memory.

mod index;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
mod places;
mod recent;

use std::sync::Arc;

use self::index::Index;
use self::places::Places;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
pub(super) use self::places::of_clock;
use self::recent::{Dropped, Kept, Recent};
use super::newest_tokens::NewestTokens;
use super::used_tokens::UsedTokens;
use super::{
    DataUpdate, ISSUERS_PER_PAGE, IssuerCursor, IssuerPage, MAX_ENDED_PER_MINT, Minted, NewSession,
    PageCursor, PageRequest, SessionData, SessionHandle, SessionPage, SessionRecord, SessionStore,
    StoreError, StoreFuture, Ticket, TokenMark, TokenState, Touched,
};
use crate::did::{Issuer, Timestamp};

/// What sessions may take of memory by default: 128 MiB, some 350,000 sessions without data.
const DEFAULT_MAX_BYTES: u64 = 128 * 1024 * 1024;

/// How many used tokens are remembered by default; about 25 MiB when full.
const DEFAULT_MAX_USED_TOKENS: usize = 256 * 1024;

/// How many of an issuer's oldest sessions are looked at for expired ones before one that lives
/// has to make room. The oldest expire first, unless the lifetime was changed in the meantime.
const LOOKED_AT_FOR_ROOM: usize = 8;

/// Sessions in this process's memory: the default, nothing to install.
///
/// Sessions and the knowledge of used tokens end with the process. Both are
/// bounded:
///
/// - Above its limit of bytes the store drops the sessions that were not used
///   for the longest time. Their users sign in again.
/// - Above its limit of used tokens the store forgets the one that was issued first, **and from
///   then on makes no session of a token of the same issuer that was issued as early**: a token that
///   it forgot never passes for a new one. Such tokens still authenticate their own request.
///   Other issuers do not notice: with as many tokens forgotten as remembered, each of another
///   issuer, one token in 5,000 that is older than the flood's is refused with them, with four
///   times as many one in 44.
/// - Tokens dated ahead of this machine's clock take at most half of the limit. Where more come,
///   they are refused until their time has come.
///
/// What is forgotten takes a further 32 MiB at most, by default, for each of used tokens, revocations and,
/// with [`Replay::NewestOnly`](crate::Replay::NewestOnly), newest tokens.
///
/// Cloning is cheap and shares the store.
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    sessions: Recent,
    index: Index,
    tokens: UsedTokens,
    newest: NewestTokens,
}

impl MemoryStore {
    /// A store with the default limits: 128 MiB of sessions, 262,144 used tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(DEFAULT_MAX_BYTES, DEFAULT_MAX_USED_TOKENS)
    }

    /// A store that keeps about `max_bytes` of sessions and the marks of
    /// `max_used_tokens` tokens (about 100 bytes each).
    #[must_use]
    pub fn with_limits(max_bytes: u64, max_used_tokens: usize) -> Self {
        Self(Arc::new(Shared {
            sessions: Recent::new(max_bytes),
            index: Index::default(),
            tokens: UsedTokens::new(max_used_tokens),
            newest: NewestTokens::new(max_used_tokens),
        }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl SessionStore for MemoryStore {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        StoreFuture::ready(self.0.mint(session, now))
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(self.0.tokens.claim(&token, now)))
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(self.0.tokens.state_of(&token, now)))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(self.0.newest.advance(&token, now)))
    }

    fn load(&self, ticket: &str, _now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        let handle = Ticket::handle_of(ticket);
        StoreFuture::ready(Ok(handle.and_then(|handle| self.0.sessions.get(&handle))))
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        let sessions = &self.0.sessions;
        // Under the issuer's lock, so that a session revoked meanwhile stays away: under that
        // lock it leaves the index, and the cache then or later.
        let dropped =
            self.0.index.with_issuer(record.issuer, |own| match self.0.living(own, record) {
                Some(Kept { record, place }) => {
                    sessions.insert(Kept { record: Arc::new(record.seen(now)), place }, now)
                }
                None => Vec::new(),
            });
        self.0.forget(dropped);
        StoreFuture::ready(Ok(Touched::default()))
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        StoreFuture::ready(Ok(self.0.update_data(record, data, now)))
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, _now: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(self.0.revoke(issuer, handle)))
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        // Tokens first: a mint that makes its session after the sessions were ended sees it.
        self.0.tokens.revoke_all(issuer, now);
        // Their issuer's lock, which is that of others too, is held for a moment however many there
        // are: what has left the index is written to no more. What begins meanwhile is made of a
        // later token, and lives.
        let ended = self.0.index.with_issuer(issuer, std::mem::take);
        for handle in ended.into_handles() {
            self.0.sessions.remove(&handle);
        }
        StoreFuture::ready(Ok(()))
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        let after = page.cursor().map(PageCursor::as_u64);
        // One more than asked for, to know whether there is a next page.
        let mut places = self.0.index.with_issuer(issuer, |own| own.behind(after, page.size() + 1));
        let has_more = places.len() > page.size();
        places.truncate(page.size());
        let last = places.last().map(|(place, _)| PageCursor::from_u64(*place));
        let kept = places.iter().filter_map(|(_, handle)| self.0.sessions.peek(handle));
        let sessions = kept.map(|kept| kept.record).filter(|record| record.expires_at > now);
        StoreFuture::ready(Ok(SessionPage::new(sessions.collect(), last.filter(|_| has_more))))
    }

    fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
        let page = after.map(|cursor| cursor.issuer()).transpose().map(|after| {
            // One more than a page, to know whether there is a next one.
            let issuers = self.0.index.issuers(after, ISSUERS_PER_PAGE + 1);
            IssuerPage::of_looked_at(issuers.into_iter().map(|issuer| (issuer, true)).collect())
        });
        StoreFuture::ready(page)
    }
}

impl Shared {
    fn mint(&self, session: NewSession, now: Timestamp) -> Result<Minted, StoreError> {
        // Most tokens that come here were used before: no id is drawn for those. One is
        // drawn before the token is claimed, so that a failure uses no token up.
        let state = self.tokens.state_of(&session.token, now);
        if state != TokenState::New {
            return Ok(Minted::refused(state));
        }
        let (ticket, handle) = Ticket::random()?;
        let state = self.tokens.claim(&session.token, now);
        if state != TokenState::New {
            return Ok(Minted::refused(state));
        }
        if let Some((issuer, replaced)) = session.replaces {
            self.revoke(issuer, replaced);
        }
        let issuer = session.token.issuer;
        let record =
            Arc::new(SessionRecord::new(handle, issuer, now, session.expires_at, session.data));
        let dropped = self.index.with_issuer(issuer, |own| {
            // Claimed before a sign-out everywhere whose end of sessions came before this.
            if self.tokens.is_revoked(&session.token) {
                return None;
            }
            if let Some(max) = session.limit.max() {
                self.make_room(own, max.get(), now);
            }
            let place = own.push(handle, now);
            Some(self.sessions.insert(Kept { record: Arc::clone(&record), place }, now))
        });
        let Some(dropped) = dropped else { return Ok(Minted::Revoked) };
        self.forget(dropped);
        Ok(Minted::Session { ticket, record })
    }

    fn update_data(&self, read: &SessionRecord, data: SessionData, now: Timestamp) -> DataUpdate {
        // Under the issuer's lock, as all that changes sessions: compared and replaced in one step.
        let (update, dropped) =
            self.index.with_issuer(read.issuer, |own| match self.living(own, read) {
                Some(Kept { record, place }) if record.data == read.data => {
                    let changed = SessionRecord { data, ..SessionRecord::clone(&record) };
                    let kept = Kept { record: Arc::new(changed), place };
                    (DataUpdate::stored(), self.sessions.insert(kept, now))
                }
                Some(Kept { record, .. }) => (DataUpdate::conflict(Some(record)), Vec::new()),
                None => (DataUpdate::Ended, Vec::new()),
            });
        self.forget(dropped);
        update
    }

    /// A session that may be changed: one of this issuer's that nobody has ended.
    fn living(&self, own: &Places, session: &SessionRecord) -> Option<Kept> {
        let kept = self.sessions.peek(&session.handle);
        kept.filter(|kept| own.holds(kept.place, &session.handle))
    }

    /// Ends the oldest sessions until one more is within the limit, a bounded number at a time.
    fn make_room(&self, own: &mut Places, max: usize, now: Timestamp) {
        if own.len() < max {
            return;
        }
        for (place, handle) in own.behind(None, LOOKED_AT_FOR_ROOM) {
            if self.sessions.peek(&handle).is_none_or(|kept| kept.record.expires_at <= now) {
                own.remove(place, &handle);
                self.sessions.remove(&handle);
            }
        }
        for _ in 0..MAX_ENDED_PER_MINT {
            if own.len() < max {
                return;
            }
            if let Some(oldest) = own.pop_oldest() {
                self.sessions.remove(&oldest);
            }
        }
    }

    /// Takes sessions out of the index that others pushed out of the cache. To be called without
    /// any issuer's lock.
    fn forget(&self, dropped: Vec<Dropped>) {
        for Dropped { issuer, handle, place } in dropped {
            self.index.with_issuer(issuer, |own| {
                // A touch that had read it before it went may have put it back.
                if self.sessions.peek(&handle).is_none() {
                    own.remove(place, &handle);
                }
            });
        }
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> bool {
        self.index.with_issuer(issuer, |own| {
            let Some(kept) = self.sessions.peek(&handle) else { return false };
            if kept.record.issuer != issuer {
                return false;
            }
            own.remove(kept.place, &handle);
            self.sessions.remove(&handle)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::did::{Address, Verifier};
    use crate::session::{DEFAULT_MAX_SESSIONS_PER_ISSUER, SessionData, SessionLimit};
    use crate::testing::Wallet;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn new_session(seed: &str) -> NewSession {
        let token = Wallet::from_seed(seed).token("app").issued_at(NOW).mint();
        let claim = Verifier::new("app").verify(token, NOW).expect("a good token");
        let mark = TokenMark::new(&claim, NOW.plus(Duration::from_secs(900)));
        NewSession::new(mark, NOW.plus(Duration::from_secs(3600)))
    }

    fn now<T>(answer: StoreFuture<T>) -> T {
        answer.try_now().unwrap_or_else(|_| panic!("memory answers at once")).expect("an answer")
    }

    fn minted(store: &MemoryStore, session: NewSession) -> (Ticket, Arc<SessionRecord>) {
        match now(store.mint(session, NOW)) {
            Minted::Session { ticket, record } => (ticket, record),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn by_default_it_holds_128_mib_of_sessions_and_262_144_used_tokens() {
        let Shared { sessions, tokens, .. } = &*MemoryStore::new().0;
        assert_eq!(sessions.max_bytes(), 134_217_728);
        assert_eq!(tokens.max(), 262_144);
    }

    #[test]
    fn under_pressure_sessions_go_but_used_tokens_stay_used() {
        let big = || SessionData::new(&"x".repeat(4_000)).expect("JSON");
        let store = MemoryStore::with_limits(20_000, 1_000);
        let sessions: Vec<_> =
            (0..100).map(|n| new_session(&format!("user {n}")).with_data(big())).collect();
        let tickets: Vec<_> =
            sessions.iter().map(|session| minted(&store, session.clone()).0).collect();
        let alive = tickets
            .iter()
            .filter(|ticket| now(store.load(ticket.expose_secret(), NOW)).is_some())
            .count();
        assert!((1..=5).contains(&alive), "{alive} sessions of 4 kB in 20 kB");
        assert!(
            now(store.load(tickets[99].expose_secret(), NOW)).is_some(),
            "the newest session must not be turned away"
        );
        for session in sessions {
            assert!(matches!(now(store.mint(session, NOW)), Minted::AlreadyUsed));
        }
    }

    /// Signing out everywhere takes an issuer's sessions out of the index at once, and then, without
    /// the lock, out of the cache: this is between the two.
    #[test]
    fn what_has_left_the_index_is_written_to_no_more() {
        for count in [1, 100] {
            let store = MemoryStore::new();
            let prototype = new_session("somebody").with_limit(SessionLimit::Unlimited);
            let sessions: Vec<_> = (0..count)
                .map(|number| {
                    let mut session = prototype.clone();
                    session.token.issued_at = NOW.minus(Duration::from_secs(number));
                    minted(&store, session)
                })
                .collect();
            let issuer = prototype.token.issuer;
            let ended = store.0.index.with_issuer(issuer, std::mem::take);
            assert_eq!((ended.len() as u64, store.0.index.counts()), (count, (0, 0)));
            let later = NOW.plus(Duration::from_secs(100));
            for (ticket, record) in &sessions {
                now(store.touch(record, later));
                let data = SessionData::new(&1).expect("JSON");
                let update = now(store.update_data(record, record.data.changed_to(&data), later));
                assert!(matches!(update, DataUpdate::Ended), "{update:?}");
                let kept = now(store.load(ticket.expose_secret(), later)).expect("not yet removed");
                assert_eq!((&kept.data, kept.last_seen), (&record.data, NOW));
            }
            for handle in ended.into_handles() {
                assert!(store.0.sessions.remove(&handle));
            }
            assert_eq!(store.0.sessions.len(), 0);
        }
    }

    #[test]
    fn a_place_that_is_somebody_elses_by_now_is_left_to_it() {
        let store = MemoryStore::new();
        let (_, first) = minted(&store, new_session("somebody"));
        let place = store.0.sessions.peek(&first.handle).expect("there").place;
        now(store.revoke_all(first.issuer, NOW.minus(Duration::from_secs(1))));
        let mut second = new_session("somebody");
        second.token.issued_at = NOW.plus(Duration::from_secs(1));
        let (ticket, second) = minted(&store, second);
        assert_eq!(store.0.sessions.peek(&second.handle).expect("there").place, place);
        // The first one had been pushed out of the cache before; the index hears of it late.
        store.0.forget(vec![Dropped { issuer: first.issuer, handle: first.handle, place }]);
        assert_eq!(store.0.index.counts(), (1, 1));
        now(store.revoke_all(first.issuer, NOW));
        assert!(now(store.load(ticket.expose_secret(), NOW)).is_none());
    }

    #[test]
    fn issuers_come_in_pages_and_each_once() {
        let store = MemoryStore::new();
        let prototype = new_session("anybody");
        let mut all = std::collections::BTreeSet::new();
        for n in 0..250_u8 {
            let mut session = prototype.clone();
            session.token.issuer = Address::from_bytes([n; 20]).into();
            all.insert(session.token.issuer);
            minted(&store, session);
        }
        let (mut listed, mut next, mut sizes) = (Vec::new(), None, Vec::new());
        loop {
            let page = now(store.issuers(next));
            sizes.push(page.issuers.len());
            listed.extend(page.issuers);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [100, 100, 50]);
        assert_eq!(listed.len(), all.len());
        assert_eq!(listed.into_iter().collect::<std::collections::BTreeSet<_>>(), all);
        let made_up = "no-address".parse().expect("a cursor");
        let refused = store.issuers(Some(made_up)).try_now().expect("memory answers at once");
        assert!(matches!(refused, Err(StoreError::Unsupported)));
    }

    #[test]
    fn the_index_forgets_issuers_whose_sessions_are_gone() {
        let store = MemoryStore::with_limits(50_000, 1_000_000);
        let prototype = new_session("anybody");
        for n in 0..40_000u64 {
            let mut session = prototype.clone();
            let mut address = [0; 20];
            address[..8].copy_from_slice(&n.to_be_bytes());
            session.token.issuer = Address::from_bytes(address).into();
            minted(&store, session);
        }
        let sessions = store.0.sessions.len();
        assert!(sessions < 200, "{sessions} sessions in 50 kB");
        assert_eq!(store.0.index.counts(), (sessions, sessions), "one of each issuer");
    }

    #[test]
    fn of_two_mints_at_the_same_moment_one_makes_a_session() {
        const ROUNDS: u64 = 3_000;
        let (store, prototype) = (MemoryStore::new(), new_session("alice"));
        let (start, sessions) = (std::sync::Barrier::new(2), std::sync::atomic::AtomicU64::new(0));
        let mint_all = || {
            for round in 0..ROUNDS {
                let mut session = prototype.clone();
                // Another time makes another mark: a token of its own for each round.
                session.token.issued_at = NOW.minus(Duration::from_secs(round));
                start.wait();
                if let Minted::Session { .. } = now(store.mint(session, NOW)) {
                    sessions.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(mint_all);
            scope.spawn(mint_all);
        });
        assert_eq!(sessions.into_inner(), ROUNDS);
    }

    #[test]
    fn a_session_revoked_meanwhile_is_not_brought_back_by_a_touch() {
        let store = MemoryStore::new();
        let (ticket, record) = minted(&store, new_session("alice"));
        assert!(now(store.revoke(record.issuer, record.handle, NOW)));
        now(store.touch(&record, NOW));
        assert!(now(store.load(ticket.expose_secret(), NOW)).is_none());
        assert!(
            now(store.sessions_of(record.issuer, PageRequest::first(), NOW)).sessions.is_empty()
        );
    }

    /// Looks are counted: the same calls among 10,000 sessions cost what they cost among 300.
    #[test]
    fn no_call_looks_at_more_sessions_because_there_are_more() {
        let looks = |sessions: u64| {
            let store = MemoryStore::new();
            let prototype = new_session("alice").with_limit(SessionLimit::Unlimited);
            let mut number = 0;
            let mut next = || {
                number += 1;
                let mut session = prototype.clone();
                session.token.issued_at = NOW.minus(Duration::from_secs(number));
                session
            };
            let records: Vec<_> = (0..sessions).map(|_| minted(&store, next()).1).collect();
            let issuer = records[0].issuer;
            let middle = &records[records.len() / 2];
            let counted = |call: &mut dyn FnMut()| {
                let before = store.0.sessions.looked_for();
                call();
                store.0.sessions.looked_for() - before
            };
            let two = SessionLimit::AtMost(std::num::NonZeroUsize::new(2).expect("not 0"));
            [
                counted(&mut || drop(now(store.sessions_of(issuer, PageRequest::first(), NOW)))),
                counted(&mut || drop(now(store.touch(middle, NOW)))),
                counted(&mut || assert!(now(store.revoke(issuer, middle.handle, NOW)))),
                counted(&mut || drop(minted(&store, next()))),
                counted(&mut || drop(minted(&store, next().with_limit(two)))),
            ]
        };
        let few = looks(300);
        assert_eq!(few, [100, 2, 2, 1, LOOKED_AT_FOR_ROOM + MAX_ENDED_PER_MINT + 1]);
        assert_eq!(looks(10_000), few);
    }

    #[test]
    fn the_end_of_all_looks_at_no_more_sessions_than_the_limit_allows() {
        let (store, prototype) = (MemoryStore::new(), new_session("alice"));
        for number in 0..1_000 {
            let mut session = prototype.clone();
            session.token.issued_at = NOW.minus(Duration::from_secs(number));
            minted(&store, session);
        }
        let before = store.0.sessions.looked_for();
        now(store.revoke_all(prototype.token.issuer, NOW));
        let looks = store.0.sessions.looked_for() - before;
        assert_eq!(looks, DEFAULT_MAX_SESSIONS_PER_ISSUER.get());
        assert_eq!(store.0.index.counts(), (0, 0));
    }

    #[test]
    fn one_issuer_cannot_revoke_the_session_of_another() {
        let store = MemoryStore::new();
        let (ticket, record) = minted(&store, new_session("alice"));
        let mallory = Wallet::from_seed("mallory").issuer();
        assert!(!now(store.revoke(mallory, record.handle, NOW)));
        assert!(now(store.load(ticket.expose_secret(), NOW)).is_some());
    }
}
