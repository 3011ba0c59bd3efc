//! A store that fails on demand, before or after it did what it was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tower_didt::store::{
    Minted, NewSession, PageRequest, SessionPage, SessionStore, StoreFuture, TokenMark, TokenState,
    Touched,
};
use tower_didt::{Issuer, SessionHandle, SessionRecord, StoreError, Timestamp};

/// How the store behaves for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Nothing gets through.
    Down,
    /// Reads work, `touch` does not.
    ReadOnly,
}

/// Another store, with weather; its answers come later, as a server's do.
#[derive(Clone, Debug)]
pub(crate) struct Weathered<S> {
    inner: S,
    weather: Arc<AtomicU8>,
}

impl<S: SessionStore> Weathered<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, weather: Arc::default() }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.weather.store(weather as u8, Ordering::SeqCst);
    }

    fn is(&self, weather: Weather) -> bool {
        self.weather.load(Ordering::SeqCst) == weather as u8
    }

    fn later<T: Send + Unpin + 'static>(
        &self,
        answer: impl FnOnce(&S) -> StoreFuture<T>,
    ) -> StoreFuture<T> {
        if self.is(Weather::Down) {
            return unavailable();
        }
        let answer = answer(&self.inner);
        StoreFuture::boxed(async move {
            tokio::task::yield_now().await;
            answer.await
        })
    }
}

fn unavailable<T: Send + Unpin + 'static>() -> StoreFuture<T> {
    StoreFuture::boxed(async {
        tokio::task::yield_now().await;
        Err(StoreError::Unavailable("no connection".into()))
    })
}

impl<S: SessionStore> SessionStore for Weathered<S> {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        self.later(|store| store.mint(session, now))
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.later(|store| store.claim(token, now))
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.later(|store| store.state_of(token, now))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.later(|store| store.advance(token, now))
    }

    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        self.later(|store| store.load(ticket, now))
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        if self.is(Weather::ReadOnly) {
            return unavailable();
        }
        self.later(|store| store.touch(record, now))
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
        self.later(|store| store.revoke(issuer, handle, now))
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.later(|store| store.revoke_all(issuer, now))
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        self.later(|store| store.sessions_of(issuer, page, now))
    }

    fn remembers(&self) -> bool {
        self.inner.remembers()
    }

    fn ready(&self) -> StoreFuture<()> {
        self.later(SessionStore::ready)
    }
}
