//! A node's half of a store on a server: what `RedisStore` and `PostgresStore` do, in the same
//! order, with the library's own copies, and with questions that the simulation carries.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tower_didt::internals::node::{self, Connection, Copies};
use tower_didt::store::{
    Minted, NewSession, PageRequest, SessionPage, SessionStore, StoreFuture, Ticket, TokenMark,
    TokenState, Touched,
};
use tower_didt::{Issuer, SessionHandle, SessionRecord, StoreError, Timestamp};

use crate::call::{Op, Reply, Slot};
use crate::time::{Micros, Time};

/// What a node's requests want of the simulation.
#[derive(Debug)]
pub(crate) enum Wish {
    Ask(Op, Slot),
    /// To be polled again then.
    WakeAt(Micros),
}

#[derive(Clone)]
pub(crate) struct NodeStore(Arc<Inner>);

struct Inner {
    time: Time,
    timeout: Micros,
    copies: Copies,
    connection: Arc<Connection>,
    wishes: Mutex<Vec<Wish>>,
}

impl NodeStore {
    pub(crate) fn new(
        time: Time,
        timeout: Micros,
        copies: Copies,
        connection: Arc<Connection>,
    ) -> Self {
        Self(Arc::new(Inner { time, timeout, copies, connection, wishes: Mutex::default() }))
    }

    pub(crate) fn copies(&self) -> &Copies {
        &self.0.copies
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.0.connection
    }

    pub(crate) fn wishes(&self) -> Vec<Wish> {
        std::mem::take(&mut *self.0.wishes())
    }

    /// The server's answer, or an error when time is up.
    fn answer<T, F>(&self, ask: impl FnOnce(Arc<Inner>) -> F) -> StoreFuture<T>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
        T: 'static,
    {
        let inner = Arc::clone(&self.0);
        let asking = ask(Arc::clone(&inner));
        StoreFuture::boxed(async move { inner.within(asking).await })
    }
}

fn unavailable(why: &'static str) -> StoreError {
    StoreError::Unavailable(why.into())
}

impl Inner {
    fn wishes(&self) -> MutexGuard<'_, Vec<Wish>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn within<T>(
        &self,
        asking: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let end = self.time.now() + self.timeout;
        self.wishes().push(Wish::WakeAt(end));
        let mut asking = pin!(asking);
        poll_fn(|cx| match asking.as_mut().poll(cx) {
            Poll::Pending if self.time.now() >= end => {
                Poll::Ready(Err(unavailable("no answer in time")))
            }
            answer => answer,
        })
        .await
    }

    async fn ask(&self, op: Op) -> Result<Reply, StoreError> {
        let (slot, waiter) = Slot::new();
        self.wishes().push(Wish::Ask(op, slot.clone()));
        let reply = poll_fn(|_| slot.take().map_or(Poll::Pending, Poll::Ready)).await;
        drop(waiter);
        match reply {
            Reply::Lost => Err(unavailable("the connection was lost")),
            Reply::ReadOnly => Err(unavailable("the server is a read-only replica")),
            reply => Ok(reply),
        }
    }

    async fn state(&self, op: Op) -> Result<TokenState, StoreError> {
        match self.ask(op).await? {
            Reply::State(state) => Ok(state),
            _ => Err(unavailable("an unexpected answer")),
        }
    }

    async fn mint(&self, session: NewSession, now: Timestamp) -> Result<Minted, StoreError> {
        let token = session.token;
        let life = node::kept_until(token.usable_until, now);
        // Another issuer's session is ended by a question of its own, between two halves.
        let (elsewhere, here) = match session.replaces {
            Some((other, handle)) if other != token.issuer => (Some((other, handle)), None),
            replaced => (None, replaced.map(|(_, handle)| handle)),
        };
        if let Some((other, handle)) = elsewhere {
            match self.state(Op::Claim { token, life }).await? {
                TokenState::New => {}
                state => return Ok(refused(state)),
            }
            self.revoke(other, handle).await?;
        }
        let (id, handle) = Ticket::random()?;
        let record =
            SessionRecord::new(handle, token.issuer, now, session.expires_at, session.data);
        let life = elsewhere.is_none().then_some(life);
        let _changing = self.copies.changing(token.issuer);
        let mint = Op::Mint { token, life, record: record.clone(), replaces: here };
        match self.state(mint).await? {
            TokenState::New => {
                let ticket = node::ticket(&id, token.issuer);
                Ok(Minted::Session { ticket, record: Arc::new(record) })
            }
            state => Ok(refused(state)),
        }
    }

    async fn load(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, StoreError> {
        // Before asking: what changes from here on is not in the answer.
        let asked = self.copies.asking(issuer);
        let Reply::Loaded(found) = self.ask(Op::Load { issuer, handle }).await? else {
            return Err(unavailable("an unexpected answer"));
        };
        if let Some(record) = &found {
            self.copies.put(record, asked, Some(Arc::clone(&self.connection)));
        }
        Ok(found)
    }

    async fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, StoreError> {
        let _changing = self.copies.changing(issuer);
        match self.ask(Op::Revoke { issuer, handle }).await? {
            Reply::Found(found) => Ok(found),
            _ => Err(unavailable("an unexpected answer")),
        }
    }
}

fn refused(state: TokenState) -> Minted {
    match state {
        TokenState::Revoked => Minted::Revoked,
        TokenState::TooEarly => Minted::TooEarly,
        _ => Minted::AlreadyUsed,
    }
}

impl SessionStore for NodeStore {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        self.answer(move |inner| async move { inner.mint(session, now).await })
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        let life = node::kept_until(token.usable_until, now);
        self.answer(move |inner| async move { inner.state(Op::Claim { token, life }).await })
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        let life =
            node::is_young(token.issued_at, now).then(|| node::kept_until(token.usable_until, now));
        self.answer(move |inner| async move { inner.state(Op::StateOf { token, life }).await })
    }

    fn advance(&self, _token: TokenMark, _now: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Err(StoreError::Unsupported))
    }

    fn load(&self, ticket: &str, _now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        let Some((handle, issuer)) = node::read_ticket(ticket) else {
            return StoreFuture::ready(Ok(None));
        };
        if let Some(record) = self.0.copies.get(issuer, handle) {
            return StoreFuture::ready(Ok(Some(record)));
        }
        self.answer(move |inner| async move { inner.load(issuer, handle).await })
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        let (issuer, handle) = (record.issuer, record.handle);
        self.answer(move |inner| async move {
            let _changing = inner.copies.changing(issuer);
            inner.ask(Op::Touch { issuer, handle, now }).await.map(|_| Touched::default())
        })
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, _now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.revoke(issuer, handle).await })
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.answer(move |inner| async move {
            let _changing = inner.copies.changing(issuer);
            inner.ask(Op::RevokeAll { issuer, now }).await.map(|_| ())
        })
    }

    fn sessions_of(&self, _: Issuer, _: PageRequest, _: Timestamp) -> StoreFuture<SessionPage> {
        StoreFuture::ready(Err(StoreError::Unsupported))
    }
}

impl fmt::Debug for NodeStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeStore")
    }
}
