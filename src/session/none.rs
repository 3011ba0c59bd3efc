//! The store that remembers nothing.

use std::sync::Arc;

use super::{
    Minted, NewSession, PageRequest, SessionHandle, SessionPage, SessionRecord, SessionStore,
    StoreError, StoreFuture, TokenMark, TokenState, Touched,
};
use crate::did::{Issuer, Timestamp};

/// Remembers nothing: every request brings its own token, no cookie is ever set, and none is
/// taken away: one that comes along may be that of other routes of the same host.
///
/// For machine clients and gRPC. A token authenticates until it expires or is too old
/// to be accepted; since nobody remembers which tokens were used, none can be refused for that,
/// and with a replay mode that would have to, such as `Replay::SingleUse`, no token passes. Signing out
/// everywhere fails with [`StoreError::Forgetful`]: tokens stay good until they expire.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSessions;

impl SessionStore for NoSessions {
    fn mint(&self, _: NewSession, _: Timestamp) -> StoreFuture<Minted> {
        StoreFuture::ready(Ok(Minted::NotKept))
    }

    fn claim(&self, _: TokenMark, _: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(TokenState::New))
    }

    fn state_of(&self, _: TokenMark, _: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(TokenState::New))
    }

    fn advance(&self, _: TokenMark, _: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(true))
    }

    fn load(&self, _: &str, _: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        StoreFuture::ready(Ok(None))
    }

    fn touch(&self, _: &SessionRecord, _: Timestamp) -> StoreFuture<Touched> {
        StoreFuture::ready(Ok(Touched::default()))
    }

    fn revoke(&self, _: Issuer, _: SessionHandle, _: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(false))
    }

    fn revoke_all(&self, _: Issuer, _: Timestamp) -> StoreFuture<()> {
        StoreFuture::ready(Err(StoreError::Forgetful))
    }

    fn sessions_of(&self, _: Issuer, _: PageRequest, _: Timestamp) -> StoreFuture<SessionPage> {
        StoreFuture::ready(Ok(SessionPage::default()))
    }

    fn remembers(&self) -> bool {
        false
    }
}
