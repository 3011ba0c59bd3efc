//! Stores behind a pointer or a choice are stores too, so that one can be shared, or chosen at run
//! time.

use std::sync::Arc;

use super::{
    AnyStore, DataUpdate, IssuerCursor, IssuerPage, Minted, NewSession, PageRequest, SessionData,
    SessionHandle, SessionPage, SessionRecord, SessionStore, StoreFuture, TokenMark, TokenState,
    Touched,
};
use crate::did::{Issuer, Timestamp};

macro_rules! store_behind {
    (<$($generic:ident)?> $outer:ty, $this:ident => $within:expr) => {
        impl$(<$generic: SessionStore + ?Sized>)? SessionStore for $outer {
            fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
                let $this = self;
                $within.mint(session, now)
            }

            fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
                let $this = self;
                $within.claim(token, now)
            }

            fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
                let $this = self;
                $within.state_of(token, now)
            }

            fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
                let $this = self;
                $within.advance(token, now)
            }

            fn load(
                &self,
                ticket: &str,
                now: Timestamp,
            ) -> StoreFuture<Option<Arc<SessionRecord>>> {
                let $this = self;
                $within.load(ticket, now)
            }

            fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
                let $this = self;
                $within.touch(record, now)
            }

            fn update_data(
                &self,
                record: &SessionRecord,
                data: SessionData,
                now: Timestamp,
            ) -> StoreFuture<DataUpdate> {
                let $this = self;
                $within.update_data(record, data, now)
            }

            fn revoke(
                &self,
                issuer: Issuer,
                handle: SessionHandle,
                now: Timestamp,
            ) -> StoreFuture<bool> {
                let $this = self;
                $within.revoke(issuer, handle, now)
            }

            fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
                let $this = self;
                $within.revoke_all(issuer, now)
            }

            fn sessions_of(
                &self,
                issuer: Issuer,
                page: PageRequest,
                now: Timestamp,
            ) -> StoreFuture<SessionPage> {
                let $this = self;
                $within.sessions_of(issuer, page, now)
            }

            fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
                let $this = self;
                $within.issuers(after)
            }

            fn remembers(&self) -> bool {
                let $this = self;
                $within.remembers()
            }

            fn keeps_sessions(&self) -> bool {
                let $this = self;
                $within.keeps_sessions()
            }

            fn lists_sessions(&self) -> bool {
                let $this = self;
                $within.lists_sessions()
            }

            fn ready(&self) -> StoreFuture<()> {
                let $this = self;
                $within.ready()
            }
        }
    };
}

store_behind!(<S> Arc<S>, this => (**this));
store_behind!(<S> Box<S>, this => (**this));
store_behind!(<> AnyStore, this => this.store());
