//! Remembers used tokens, and leaves sessions to another store.

use std::sync::Arc;

use super::{
    Minted, NewSession, NoSessions, PageRequest, SessionHandle, SessionPage, SessionRecord,
    SessionStore, StoreFuture, TokenMark, TokenState, Touched,
};
use crate::did::{Issuer, Timestamp};

/// Remembers which tokens were used, in another store, and keeps no sessions.
///
/// For applications that have sessions of their own, such as tower-sessions': with
/// `Replay::SingleUse` every token signs in once.
///
/// ```
/// # #[cfg(feature = "layer")] {
/// use tower_didt::{DidAuth, MemoryStore, OnceOnly, Replay, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
///     .with_store(OnceOnly::new(MemoryStore::new()))
///     .with_replay(Replay::SingleUse);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OnceOnly<S>(S);

impl<S: SessionStore> OnceOnly<S> {
    /// Remembers used tokens in `store`.
    #[must_use]
    pub const fn new(store: S) -> Self {
        Self(store)
    }
}

impl<S: SessionStore> SessionStore for OnceOnly<S> {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        let minted = |state| match state {
            TokenState::New => Minted::NotKept,
            state => Minted::refused(state),
        };
        match self.0.claim(session.token, now).try_now() {
            Ok(answer) => StoreFuture::ready(answer.map(minted)),
            Err(waiting) => StoreFuture::boxed(async move { waiting.await.map(minted) }),
        }
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.0.claim(token, now)
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.0.state_of(token, now)
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.0.advance(token, now)
    }

    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        NoSessions.load(ticket, now)
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        NoSessions.touch(record, now)
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
        NoSessions.revoke(issuer, handle, now)
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.0.revoke_all(issuer, now)
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        NoSessions.sessions_of(issuer, page, now)
    }

    fn remembers(&self) -> bool {
        self.0.remembers()
    }

    fn keeps_sessions(&self) -> bool {
        false
    }

    fn ready(&self) -> StoreFuture<()> {
        self.0.ready()
    }
}
