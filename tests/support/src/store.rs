//! A store that fails where a test says so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tower_didt::store::{
    DataUpdate, IssuerCursor, IssuerPage, Minted, NewSession, PageRequest, SessionData,
    SessionPage, SessionStore, StoreFuture, TokenMark, TokenState, Touched,
};
use tower_didt::{Issuer, MemoryStore, SessionHandle, SessionRecord, StoreError, Timestamp};

/// A call to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// [`SessionStore::mint`].
    Mint,
    /// [`SessionStore::claim`].
    Claim,
    /// [`SessionStore::state_of`].
    StateOf,
    /// [`SessionStore::advance`].
    Advance,
    /// [`SessionStore::load`].
    Load,
    /// [`SessionStore::touch`].
    Touch,
    /// [`SessionStore::update_data`].
    UpdateData,
    /// [`SessionStore::revoke`].
    Revoke,
    /// [`SessionStore::revoke_all`].
    RevokeAll,
    /// [`SessionStore::sessions_of`].
    SessionsOf,
    /// [`SessionStore::ready`].
    Ready,
}

/// Another store, of which some calls fail or all. Its answers come later, as a server's do, and its
/// calls are counted. Clones share their faults.
#[derive(Clone, Debug)]
pub struct FaultyStore<S = MemoryStore> {
    /// The store that does what does not fail.
    pub inner: S,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    down: bool,
    failing: BTreeSet<Call>,
    losing: BTreeSet<Call>,
    unreadable: bool,
    counts: BTreeMap<Call, usize>,
    minted: Option<TokenMark>,
}

impl<S: SessionStore> FaultyStore<S> {
    /// A store without a fault for now.
    #[must_use]
    pub fn over(inner: S) -> Self {
        Self { inner, state: Arc::default() }
    }

    /// Whether no call gets through.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Whether this call fails.
    pub fn set_failing(&self, call: Call, fails: bool) {
        let mut state = self.state();
        if fails {
            state.failing.insert(call);
        } else {
            state.failing.remove(&call);
        }
    }

    /// Whether this call is carried out, and its answer lost.
    pub fn set_losing_answers(&self, call: Call, loses: bool) {
        let mut state = self.state();
        if loses {
            state.losing.insert(call);
        } else {
            state.losing.remove(&call);
        }
    }

    /// Whether no session's record can be read.
    pub fn set_unreadable(&self, unreadable: bool) {
        self.state().unreadable = unreadable;
    }

    /// How many calls there were, failed ones included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.state().counts.values().sum()
    }

    /// How many calls of one kind there were.
    #[must_use]
    pub fn calls_of(&self, call: Call) -> usize {
        self.state().counts.get(&call).copied().unwrap_or(0)
    }

    /// The token of the last session that was asked for.
    #[must_use]
    pub fn last_minted(&self) -> Option<TokenMark> {
        self.state().minted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn later<T: Send + Unpin + 'static>(
        &self,
        call: Call,
        answer: impl FnOnce(&S) -> StoreFuture<T>,
    ) -> StoreFuture<T> {
        let (fails, loses, unreadable) = {
            let mut state = self.state();
            *state.counts.entry(call).or_default() += 1;
            let fails = state.down || state.failing.contains(&call);
            (fails, state.losing.contains(&call), state.unreadable)
        };
        let answer = if fails {
            StoreFuture::ready(Err(StoreError::Unavailable("connection refused".into())))
        } else if unreadable && call == Call::Load {
            StoreFuture::ready(Err(StoreError::Corrupt("an unknown format".into())))
        } else {
            answer(&self.inner)
        };
        StoreFuture::boxed(async move {
            tokio::task::yield_now().await;
            let answer = answer.await;
            if loses { Err(StoreError::Unavailable("timed out".into())) } else { answer }
        })
    }
}

impl Default for FaultyStore {
    fn default() -> Self {
        Self::over(MemoryStore::default())
    }
}

impl FaultyStore {
    /// A store that cannot be reached.
    #[must_use]
    pub fn unreachable() -> Self {
        let store = Self::default();
        store.set_down(true);
        store
    }
}

impl<S: SessionStore> SessionStore for FaultyStore<S> {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        self.state().minted = Some(session.token);
        self.later(Call::Mint, |store| store.mint(session, now))
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.later(Call::Claim, |store| store.claim(token, now))
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.later(Call::StateOf, |store| store.state_of(token, now))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.later(Call::Advance, |store| store.advance(token, now))
    }

    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        self.later(Call::Load, |store| store.load(ticket, now))
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        self.later(Call::Touch, |store| store.touch(record, now))
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        self.later(Call::UpdateData, |store| store.update_data(record, data, now))
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
        self.later(Call::Revoke, |store| store.revoke(issuer, handle, now))
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.later(Call::RevokeAll, |store| store.revoke_all(issuer, now))
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        self.later(Call::SessionsOf, |store| store.sessions_of(issuer, page, now))
    }

    fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
        self.later(Call::SessionsOf, |store| store.issuers(after))
    }

    fn remembers(&self) -> bool {
        self.inner.remembers()
    }

    fn keeps_sessions(&self) -> bool {
        self.inner.keeps_sessions()
    }

    fn lists_sessions(&self) -> bool {
        self.inner.lists_sessions()
    }

    fn ready(&self) -> StoreFuture<()> {
        self.later(Call::Ready, SessionStore::ready)
    }
}
