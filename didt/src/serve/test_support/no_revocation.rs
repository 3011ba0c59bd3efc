//! A store that cannot end sessions, as one whose server has become read-only.

use std::sync::Arc;

use tower_didt::store::{
    Minted, NewSession, PageRequest, SessionPage, SessionStore, StoreFuture, TokenMark, TokenState,
    Touched,
};
use tower_didt::{Issuer, MemoryStore, SessionHandle, SessionRecord, StoreError, Timestamp};

/// Does all else as the store inside.
#[derive(Debug)]
pub(crate) struct NoRevocation(pub(crate) MemoryStore);

fn read_only<T>() -> StoreFuture<T> {
    StoreFuture::ready(Err(StoreError::Unavailable("read-only".into())))
}

impl SessionStore for NoRevocation {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        self.0.mint(session, now)
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
        self.0.load(ticket, now)
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        self.0.touch(record, now)
    }

    fn revoke(&self, _: Issuer, _: SessionHandle, _: Timestamp) -> StoreFuture<bool> {
        read_only()
    }

    fn revoke_all(&self, _: Issuer, _: Timestamp) -> StoreFuture<()> {
        read_only()
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        self.0.sessions_of(issuer, page, now)
    }
}
