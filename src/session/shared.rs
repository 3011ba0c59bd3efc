//! Stores behind a pointer are stores too, so that one can be shared, or chosen at run time.

use std::sync::Arc;

use super::{
    DataUpdate, IssuerCursor, IssuerPage, Minted, NewSession, PageRequest, SessionData,
    SessionHandle, SessionPage, SessionRecord, SessionStore, StoreFuture, TokenMark, TokenState,
    Touched,
};
use crate::did::{Issuer, Timestamp};

macro_rules! store_behind {
    ($pointer:ident) => {
        impl<S: SessionStore + ?Sized> SessionStore for $pointer<S> {
            fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
                (**self).mint(session, now)
            }

            fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
                (**self).claim(token, now)
            }

            fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
                (**self).state_of(token, now)
            }

            fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
                (**self).advance(token, now)
            }

            fn load(
                &self,
                ticket: &str,
                now: Timestamp,
            ) -> StoreFuture<Option<Arc<SessionRecord>>> {
                (**self).load(ticket, now)
            }

            fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
                (**self).touch(record, now)
            }

            fn update_data(
                &self,
                record: &SessionRecord,
                data: SessionData,
                now: Timestamp,
            ) -> StoreFuture<DataUpdate> {
                (**self).update_data(record, data, now)
            }

            fn revoke(
                &self,
                issuer: Issuer,
                handle: SessionHandle,
                now: Timestamp,
            ) -> StoreFuture<bool> {
                (**self).revoke(issuer, handle, now)
            }

            fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
                (**self).revoke_all(issuer, now)
            }

            fn sessions_of(
                &self,
                issuer: Issuer,
                page: PageRequest,
                now: Timestamp,
            ) -> StoreFuture<SessionPage> {
                (**self).sessions_of(issuer, page, now)
            }

            fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
                (**self).issuers(after)
            }

            fn remembers(&self) -> bool {
                (**self).remembers()
            }

            fn keeps_sessions(&self) -> bool {
                (**self).keeps_sessions()
            }

            fn lists_sessions(&self) -> bool {
                (**self).lists_sessions()
            }

            fn ready(&self) -> StoreFuture<()> {
                (**self).ready()
            }
        }
    };
}

store_behind!(Arc);
store_behind!(Box);
