//! The plainest store there is, and every mistake that the suite has to find in one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_didt::store::{
    DataUpdate, MAX_ENDED_PER_MINT, Minted, NewSession, PageCursor, PageRequest, SessionData,
    SessionPage, SessionStore, StoreFuture, Ticket, TokenMark, TokenState, Touched,
};
use tower_didt::token::ClaimDigest;
use tower_didt::{Issuer, SessionHandle, SessionLimit, SessionRecord, StoreError, Timestamp};

/// A mistake in a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    ForgetsTokens,
    ForgetsClaims,
    ForgetsTokensEarly,
    ChecksTokensThenMarksThem,
    AcceptsOlderTokens,
    BelievesTheFuture,
    UsesNewestTokens,
    ForgetsTheNewestAtSignOut,
    ReplacesBeforeItClaims,
    FreesTokensOfEndedSessions,
    OpensByHandle,
    TrimsTickets,
    PanicsOnLongTickets,
    DropsData,
    IsNeverReady,
    ListsExpired,
    ListsNewestFirst,
    LastSeenGoesBack,
    TouchChangesTheEnd,
    TouchesAllOfAnIssuer,
    TouchBringsBack,
    TouchReadsThenWrites,
    AnybodyRevokes,
    RevokesWhatIsNotThere,
    RevokesAllByTime,
    RevokesYoungerToo,
    RevokesEverybody,
    RevokesAllThenForgets,
    RevokesNoTokens,
    RevokesUsedTokensOnly,
    RevokesTokensByTimeAlone,
    RevokesTokensByTheFirstSignOut,
    RevokesNoTokensBesideTheNewest,
    ForgetsSeenTokens,
    RevokesFreshTokens,
    RevokesTokensOfOthers,
    RevokesTokensWithOneSession,
    RevokesByTheLastClock,
    ChecksRevocationThenMints,
    ReplacesOwnOnly,
    ReplacesNothing,
    HasNoLimit,
    HasNoDefaultLimit,
    NewestMakesRoom,
    EndsAnyNumberAtOnce,
    ListsAllOnOnePage,
    RepeatsTheLastOfAPage,
    PagesByPosition,
    PagesByHandle,
    NumbersAnew,
    ShortPagesAreTheLast,
    ChangesNothing,
    ChangesAllOfAnIssuer,
    ForgetsTheVersion,
    ChangesOverOthers,
    ComparesValuesOnly,
    ComparesThenChanges,
    ChangeBringsBack,
    ChangeIsAUse,
    AnybodyChanges,
    TouchTakesDataBack,
}

#[derive(Clone, Debug)]
pub(crate) struct NaiveStore {
    fault: Option<Fault>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    used: HashMap<ClaimDigest, Timestamp>,
    sessions: HashMap<SessionHandle, Arc<SessionRecord>>,
    lists: HashMap<Issuer, Vec<SessionHandle>>,
    tokens: HashMap<SessionHandle, ClaimDigest>,
    cut_off: HashMap<Issuer, Timestamp>,
    newest: HashMap<Issuer, Timestamp>,
    numbers: HashMap<SessionHandle, u64>,
    made: u64,
    /// Every token that was here, used or not.
    seen: HashMap<ClaimDigest, Issuer>,
    revoked: HashMap<ClaimDigest, Issuer>,
    revoked_until: HashMap<Issuer, Timestamp>,
}

impl State {
    fn sessions_of(&mut self, issuer: Issuer) -> impl Iterator<Item = &mut Arc<SessionRecord>> {
        self.sessions.values_mut().filter(move |record| record.issuer == issuer)
    }

    fn is_revoked(&self, token: &TokenMark) -> bool {
        self.revoked.contains_key(&token.digest)
            || self.revoked_until.get(&token.issuer).is_some_and(|until| token.issued_at <= *until)
    }
}

impl NaiveStore {
    pub(crate) fn with(fault: impl Into<Option<Fault>>) -> Self {
        Self { fault: fault.into(), state: Arc::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn run<T>(&self, call: impl FnOnce(&mut State) -> T) -> T {
        call(&mut self.state.lock().expect("no panic inside"))
    }

    fn state_of(&self, token: TokenMark) -> TokenState {
        self.run(|state| {
            if state.is_revoked(&token) {
                return TokenState::Revoked;
            }
            if !self.has(Fault::ForgetsSeenTokens) {
                state.seen.insert(token.digest, token.issuer);
            }
            if state.used.contains_key(&token.digest) { TokenState::Used } else { TokenState::New }
        })
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> TokenState {
        if self.run(|state| state.is_revoked(&token)) {
            return TokenState::Revoked;
        }
        if self.use_up(token, now) { TokenState::New } else { TokenState::Used }
    }

    fn revoke_tokens(&self, issuer: Issuer, now: Timestamp) {
        self.run(|state| {
            if self.has(Fault::RevokesNoTokens) {
                return;
            }
            if !self.has(Fault::RevokesTokensByTimeAlone) {
                let others = self.has(Fault::RevokesTokensOfOthers);
                let here = state.seen.iter().filter(|(_, of)| others || **of == issuer);
                let here: Vec<_> = here.map(|(digest, of)| (*digest, *of)).collect();
                state.revoked.extend(here);
            }
            if self.has(Fault::RevokesUsedTokensOnly) {
                return;
            }
            let is_noted = state.newest.contains_key(&issuer);
            if is_noted && self.has(Fault::RevokesNoTokensBesideTheNewest) {
                return;
            }
            let until = state.revoked_until.entry(issuer).or_insert(now);
            *until = match self.fault {
                Some(Fault::RevokesByTheLastClock) => now,
                Some(Fault::RevokesTokensByTheFirstSignOut) => *until,
                Some(Fault::RevokesFreshTokens) => now.plus(Duration::from_secs(300)),
                _ => now.max(*until),
            };
        });
    }

    fn use_up(&self, token: TokenMark, now: Timestamp) -> bool {
        self.run(|state| state.seen.insert(token.digest, token.issuer));
        if self.has(Fault::ForgetsTokensEarly) {
            let early = Duration::from_secs(1);
            self.run(|state| state.used.retain(|_, until| now < until.minus(early)));
        }
        if self.has(Fault::ChecksTokensThenMarksThem) {
            let used = self.run(|state| state.used.contains_key(&token.digest));
            elsewhere();
            self.run(|state| state.used.insert(token.digest, token.usable_until));
            return !used;
        }
        self.run(|state| state.used.insert(token.digest, token.usable_until)).is_none()
            || self.has(Fault::ForgetsTokens)
    }

    fn end(&self, issuer: Issuer, handle: SessionHandle) -> bool {
        self.run(|state| {
            if self.has(Fault::AnybodyRevokes) {
                return state.sessions.remove(&handle).is_some();
            }
            let list = state.lists.entry(issuer).or_default();
            let Some(position) = list.iter().position(|known| *known == handle) else {
                return false;
            };
            list.remove(position);
            if self.has(Fault::RevokesTokensWithOneSession) {
                state.revoked.insert(*state.tokens.get(&handle).expect("a token"), issuer);
            }
            if self.has(Fault::FreesTokensOfEndedSessions) {
                let token = state.tokens.remove(&handle).expect("a token");
                state.used.remove(&token);
            }
            state.sessions.remove(&handle).is_some()
        })
    }

    fn replace(&self, session: &NewSession) {
        if let Some((issuer, handle)) = session.replaces {
            let own = issuer == session.token.issuer;
            if !(self.has(Fault::ReplacesNothing) || self.has(Fault::ReplacesOwnOnly) && !own) {
                self.end(issuer, handle);
            }
        }
    }

    fn mint(&self, session: NewSession, now: Timestamp) -> Minted {
        if self.has(Fault::ReplacesBeforeItClaims) {
            self.replace(&session);
        }
        match self.claim(session.token, now) {
            TokenState::New => {}
            TokenState::Revoked => return Minted::Revoked,
            _ => return Minted::AlreadyUsed,
        }
        if self.has(Fault::ChecksRevocationThenMints) {
            elsewhere();
        }
        self.replace(&session);
        let (ticket, handle) = Ticket::random().expect("randomness");
        let issuer = session.token.issuer;
        let data =
            if self.has(Fault::DropsData) { SessionData::NONE } else { session.data.clone() };
        let record = SessionRecord::new(handle, issuer, now, session.expires_at, data);
        let record = Arc::new(record);
        let made = self.run(|state| {
            if state.is_revoked(&session.token) && !self.has(Fault::ChecksRevocationThenMints) {
                return false;
            }
            let list = state.lists.entry(issuer).or_default();
            let limited = match session.limit {
                SessionLimit::Default => !self.has(Fault::HasNoDefaultLimit),
                _ => !self.has(Fault::HasNoLimit),
            };
            if let Some(max) = session.limit.max().filter(|_| limited) {
                let all = self.has(Fault::EndsAnyNumberAtOnce);
                let most = if all { list.len() } else { MAX_ENDED_PER_MINT };
                for _ in 0..most {
                    if list.len() < max.get() {
                        break;
                    }
                    let newest = self.has(Fault::NewestMakesRoom);
                    let leaving = list.remove(if newest { list.len() - 1 } else { 0 });
                    state.sessions.remove(&leaving);
                }
            }
            if list.is_empty() && self.has(Fault::NumbersAnew) {
                state.made = 0;
            }
            list.push(handle);
            state.made += 1;
            state.numbers.insert(handle, state.made);
            state.sessions.insert(handle, Arc::clone(&record));
            state.tokens.insert(handle, session.token.digest);
            true
        });
        if made { Minted::Session { ticket, record } } else { Minted::Revoked }
    }

    fn load(&self, ticket: &str) -> Option<Arc<SessionRecord>> {
        assert!(!(self.has(Fault::PanicsOnLongTickets) && ticket.len() > 100_000), "too long");
        let ticket = if self.has(Fault::TrimsTickets) { ticket.trim() } else { ticket };
        let handle = match ticket.parse() {
            Ok(handle) if self.has(Fault::OpensByHandle) => handle,
            _ => Ticket::handle_of(ticket)?,
        };
        let record = self.run(|state| state.sessions.get(&handle).cloned())?;
        let cut_off = self.run(|state| state.cut_off.get(&record.issuer).copied());
        cut_off.is_none_or(|time| time < record.created_at).then_some(record)
    }

    fn change(&self, read: &SessionRecord, data: SessionData, now: Timestamp) -> DataUpdate {
        let value = |data: &SessionData| data.read::<String>().ok().flatten();
        let find = |state: &State| {
            let found = state.sessions.get(&read.handle).cloned();
            let brought_back = || self.has(Fault::ChangeBringsBack).then(|| Arc::new(read.clone()));
            found
                .filter(|found| found.issuer == read.issuer || self.has(Fault::AnybodyChanges))
                .or_else(brought_back)
        };
        let fits = |found: &SessionRecord| match self.fault {
            Some(Fault::ChangesOverOthers) => true,
            Some(Fault::ComparesValuesOnly) => value(&found.data) == value(&data),
            _ => false,
        } || found.data == read.data;
        let change = |state: &mut State, found: &SessionRecord| {
            let mut changed = found.clone();
            match self.fault {
                Some(Fault::ChangesNothing) => {}
                Some(Fault::ForgetsTheVersion) => {
                    changed.data = SessionData::new(&value(&data)).expect("text");
                }
                _ => changed.data = data.clone(),
            }
            if self.has(Fault::ChangesAllOfAnIssuer) {
                for beside in state.sessions_of(read.issuer) {
                    let mut record = SessionRecord::clone(beside);
                    record.data = data.clone();
                    *beside = Arc::new(record);
                }
            }
            if self.has(Fault::ChangeIsAUse) {
                changed.last_seen = now.plus(Duration::from_secs(1));
            }
            state.sessions.insert(read.handle, Arc::new(changed));
            DataUpdate::stored()
        };
        if self.has(Fault::ComparesThenChanges) {
            let Some(found) = self.run(|state| find(state)) else { return DataUpdate::Ended };
            elsewhere();
            return match fits(&found) {
                true => self.run(|state| change(state, &found)),
                false => DataUpdate::conflict(Some(found)),
            };
        }
        self.run(|state| match find(state) {
            Some(found) if fits(&found) => change(state, &found),
            Some(found) => DataUpdate::conflict(Some(found)),
            None => DataUpdate::Ended,
        })
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) {
        if self.has(Fault::TouchReadsThenWrites) {
            let found = self.run(|state| state.sessions.contains_key(&record.handle));
            elsewhere();
            if found {
                self.run(|state| {
                    state.sessions.insert(record.handle, Arc::new(record.seen(now)));
                });
            }
            return;
        }
        self.run(|state| {
            let current = state.sessions.get(&record.handle);
            let mut seen = match current {
                Some(current) => current.seen(now),
                None if self.has(Fault::TouchBringsBack) => record.seen(now),
                None => return,
            };
            if self.has(Fault::TouchTakesDataBack) {
                seen.data = SessionData::NONE;
            }
            if self.has(Fault::LastSeenGoesBack) {
                seen.last_seen = now;
            }
            if self.has(Fault::TouchChangesTheEnd) {
                seen.expires_at = seen.expires_at.plus(Duration::from_secs(60));
            }
            if self.has(Fault::TouchesAllOfAnIssuer) {
                for beside in state.sessions_of(record.issuer) {
                    *beside = Arc::new(beside.seen(now));
                }
            }
            state.sessions.insert(record.handle, Arc::new(seen));
        });
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) {
        self.revoke_tokens(issuer, now);
        let doomed = self.run(|state| {
            let list = state.lists.entry(issuer).or_default().clone();
            match self.fault {
                Some(Fault::RevokesYoungerToo) => drop(state.cut_off.insert(issuer, now)),
                Some(Fault::RevokesEverybody) => state.sessions.clear(),
                _ => {}
            }
            let by_time = self.has(Fault::RevokesAllByTime);
            let is_older = |handle: &SessionHandle| state.sessions[handle].created_at < now;
            list.into_iter().filter(|handle| !by_time || is_older(handle)).collect::<Vec<_>>()
        });
        if self.has(Fault::RevokesAllThenForgets) {
            elsewhere();
        }
        self.run(|state| {
            if self.has(Fault::ForgetsTheNewestAtSignOut) {
                state.newest.remove(&issuer);
            }
            if self.has(Fault::RevokesAllThenForgets) {
                state.lists.remove(&issuer);
            }
            for handle in &doomed {
                state.sessions.remove(handle);
            }
            state.lists.entry(issuer).or_default().retain(|handle| !doomed.contains(handle));
        });
    }

    fn list(&self, issuer: Issuer, page: PageRequest, now: Timestamp) -> SessionPage {
        self.run(|state| {
            let list = state.lists.get(&issuer).into_iter().flatten();
            let mut listed: Vec<_> = list.filter_map(|handle| state.sessions.get(handle)).collect();
            if self.has(Fault::ListsNewestFirst) {
                listed.reverse();
            }
            let place = |index: usize, record: &SessionRecord| match self.fault {
                Some(Fault::PagesByPosition) => index as u64 + 1,
                Some(Fault::PagesByHandle) => {
                    let first = record.handle.as_bytes().first_chunk().expect("32 bytes");
                    u64::from_be_bytes(*first)
                }
                _ => state.numbers[&record.handle],
            };
            let after = page.cursor().map(PageCursor::as_u64);
            let mut behind: Vec<_> = listed
                .into_iter()
                .enumerate()
                .map(|(index, record)| (place(index, record), Arc::clone(record)))
                .filter(|(place, _)| Some(*place) > after)
                .collect();
            let size = match self.has(Fault::ListsAllOnOnePage) {
                true => usize::MAX,
                false => page.size(),
            };
            let has_more = behind.len() > size;
            behind.truncate(size);
            let back = usize::from(self.has(Fault::RepeatsTheLastOfAPage));
            let last = behind.len().checked_sub(1 + back).and_then(|last| behind.get(last));
            let next = last.filter(|_| has_more).map(|(place, _)| PageCursor::from_u64(*place));
            let alive = |record: &Arc<SessionRecord>| {
                record.expires_at > now || self.has(Fault::ListsExpired)
            };
            let whole = behind.len();
            let sessions: Vec<_> =
                behind.into_iter().map(|(_, record)| record).filter(alive).collect();
            let short = self.has(Fault::ShortPagesAreTheLast) && sessions.len() < whole;
            SessionPage::new(sessions, next.filter(|_| !short))
        })
    }
}

/// Lets another thread act between two steps that should have been one.
fn elsewhere() {
    std::thread::sleep(Duration::from_millis(2));
}

impl SessionStore for NaiveStore {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        let store = self.clone();
        StoreFuture::boxed(async move { Ok(store.mint(session, now)) })
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        let store = self.clone();
        StoreFuture::boxed(async move {
            if store.has(Fault::ForgetsClaims) {
                return Ok(TokenState::New);
            }
            Ok(store.claim(token, now))
        })
    }

    fn state_of(&self, token: TokenMark, _now: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(self.state_of(token)))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(self.run(|state| {
            let limit = if self.has(Fault::BelievesTheFuture) { Timestamp::MAX } else { now };
            let issued_at = token.issued_at.min(limit);
            let newest = state.newest.entry(token.issuer).or_insert(issued_at);
            let accepted = token.issued_at >= *newest || self.has(Fault::AcceptsOlderTokens);
            *newest = (*newest).max(issued_at);
            if self.has(Fault::UsesNewestTokens) {
                state.used.insert(token.digest, token.usable_until);
            }
            accepted
        })))
    }

    fn load(&self, ticket: &str, _now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        StoreFuture::ready(Ok(self.load(ticket)))
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        let (store, record) = (self.clone(), record.clone());
        StoreFuture::boxed(async move {
            store.touch(&record, now);
            Ok(Touched::default())
        })
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        let (store, record) = (self.clone(), record.clone());
        StoreFuture::boxed(async move { Ok(store.change(&record, data, now)) })
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, _now: Timestamp) -> StoreFuture<bool> {
        let store = self.clone();
        StoreFuture::boxed(async move {
            Ok(store.end(issuer, handle) || store.has(Fault::RevokesWhatIsNotThere))
        })
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        let store = self.clone();
        StoreFuture::boxed(async move {
            store.revoke_all(issuer, now);
            Ok(())
        })
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        StoreFuture::ready(Ok(self.list(issuer, page, now)))
    }

    fn ready(&self) -> StoreFuture<()> {
        StoreFuture::ready(match self.has(Fault::IsNeverReady) {
            true => Err(StoreError::Unavailable("it answers all the same".into())),
            false => Ok(()),
        })
    }
}
