//! A store that cannot be reached.

use std::sync::Arc;

use tower_didt::store::{
    Minted, NewSession, PageRequest, SessionPage, SessionStore, StoreFuture, TokenMark, TokenState,
    Touched,
};
use tower_didt::{Issuer, SessionHandle, SessionRecord, StoreError, Timestamp};

/// A store that cannot be reached.
#[derive(Debug)]
pub(crate) struct Down;

fn down<T>() -> StoreFuture<T> {
    StoreFuture::ready(Err(StoreError::Unavailable("connection refused".into())))
}

impl SessionStore for Down {
    fn mint(&self, _: NewSession, _: Timestamp) -> StoreFuture<Minted> {
        down()
    }

    fn claim(&self, _: TokenMark, _: Timestamp) -> StoreFuture<TokenState> {
        down()
    }

    fn state_of(&self, _: TokenMark, _: Timestamp) -> StoreFuture<TokenState> {
        down()
    }

    fn advance(&self, _: TokenMark, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn load(&self, _: &str, _: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        down()
    }

    fn touch(&self, _: &SessionRecord, _: Timestamp) -> StoreFuture<Touched> {
        down()
    }

    fn revoke(&self, _: Issuer, _: SessionHandle, _: Timestamp) -> StoreFuture<bool> {
        down()
    }

    fn revoke_all(&self, _: Issuer, _: Timestamp) -> StoreFuture<()> {
        down()
    }

    fn sessions_of(&self, _: Issuer, _: PageRequest, _: Timestamp) -> StoreFuture<SessionPage> {
        down()
    }

    fn ready(&self) -> StoreFuture<()> {
        down()
    }
}
