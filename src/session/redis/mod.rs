//! Sessions in Redis or Valkey.
//!
//! An issuer's sessions are the fields of one hash, and the state of its tokens is in the
//! same slot. So every change is one command or one script, and ending all sessions is to
//! remove that hash. An index beside it, in the same slot, has their order; no session opens or
//! lives on by it.

mod check;
mod cluster;
mod config;
mod config_error;
mod endpoint;
#[cfg(feature = "sealed")]
mod ends;
mod fault;
mod keys;
#[cfg(feature = "sealed")]
mod ledger;
mod link;
mod link_settings;
mod lists;
mod messages;
mod ownership;
mod questions;
mod reply;
mod script;
mod sentinels;
mod stored;
#[cfg(feature = "redis-tls")]
mod tls;
mod tokens;
mod topology;
mod trace;
mod walk;

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::timeout;

pub use self::check::RedisWarning;
use self::config::Place;
pub use self::config::RedisStoreBuilder;
pub use self::config_error::{RedisConfigError, RedisConnectError};
use self::fault::Fault;
use self::keys::Keys;
use self::link::Line;
use self::reply::text;
use self::script::Request;
use self::stored::Stored;
use self::topology::{Answer, Topology};
use super::addressed;
use super::copies::{Changing, Copies, Flights, Invalidations};
use super::kept;
use super::memory::of_clock;
use super::{
    DataUpdate, IssuerCursor, IssuerPage, MAX_ENDED_PER_MINT, Minted, NewSession, PageCursor,
    PageRequest, SessionData, SessionHandle, SessionPage, SessionRecord, SessionStore, StoreError,
    StoreFuture, Ticket, TokenMark, TokenState, Touched,
};
use crate::did::{Issuer, Timestamp};

/// A session as Redis holds it, for fuzzing.
#[cfg(any(fuzzing, tower_didt_internals))]
pub(crate) fn read_record(
    text: &[u8],
    issuer: Issuer,
    handle: SessionHandle,
) -> Option<SessionRecord> {
    Stored::read(text, issuer, handle).ok().map(|stored| stored.record)
}

/// The question for a session.
const HGET: &str = "HGET";

/// How often a list is asked for whose index is not complete yet: with
/// [`lists::INDEXED_PER_CALL`] each time, some 4,000 sessions that an older version stored.
const LIST_TRIES: usize = 32;

/// Sessions in Redis (6 or newer) or Valkey, one server or a cluster, shared by any
/// number of machines.
///
/// - **A session that was used lately costs no round trip**: this process keeps a
///   copy, and Redis tells when it changes (`CLIENT TRACKING`). Any other
///   costs one.
/// - **A revocation reaches other machines in the time that a message takes**, some
///   milliseconds: that long may a request there still pass after
///   [`revoke`](SessionStore::revoke) has returned here. If the network to such
///   a machine is cut, it uses its copies for
///   [`ping_interval`](RedisStoreBuilder::with_ping_interval) and
///   [`timeout`](RedisStoreBuilder::with_timeout) more, 450 ms by default, and then
///   answers with 503. [`with_local_copies(0)`](RedisStoreBuilder::with_local_copies)
///   asks Redis every time and has no such delay.
/// - **Redis away is an error within the timeout**, 200 ms by default. The store connects
///   again by itself.
///
/// What Redis has acknowledged it can still lose: by a crash without
/// `appendfsync always`, by failover to a replica that lags, by eviction. See
/// [`check`](Self::check).
///
/// With the feature `sealed` it also is a `RevocationLedger`, for a `SealedStore`:
/// sessions then live in their cookies, and Redis remembers what was used and ended,
/// with the same bounds.
///
/// Cloning is cheap and shares the store. Needs a tokio runtime.
///
/// ```no_run
/// use tower_didt::RedisStore;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::open("redis://app:secret@localhost/0")?;
/// for warning in store.check().await? {
///     eprintln!("{warning}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

struct Inner {
    topology: Topology,
    invalidations: Arc<Invalidations>,
    copies: Copies<SessionRecord, Line>,
    in_flight: Flights<(Issuer, SessionHandle), Result<Option<Arc<SessionRecord>>, Fault>>,
    /// What was ended of sealed sessions.
    #[cfg(feature = "sealed")]
    ends: Copies<ends::Ends, Line>,
    #[cfg(feature = "sealed")]
    ends_in_flight: Flights<Issuer, Result<Arc<ends::Ends>, Fault>>,
    keys: Keys,
    timeout: Duration,
}

impl RedisStore {
    /// A store on one server, connecting in the background, with default settings: a
    /// service can start while Redis is away. See [`RedisStoreBuilder::open`].
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if the URL is not a Redis URL, or there is no tokio runtime.
    pub fn open(url: impl Into<String>) -> Result<Self, RedisConfigError> {
        Self::builder(url).open()
    }

    /// A store on one server that has answered, with default settings.
    ///
    /// # Errors
    ///
    /// [`RedisConnectError`] if the URL is not a Redis URL, or it does not answer within a second.
    pub async fn connect(url: impl Into<String>) -> Result<Self, RedisConnectError> {
        Self::builder(url).connect().await
    }

    /// A store on a cluster, connecting in the background, with default settings.
    /// One URL of a node suffices; more help when that one is away.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_cluster(
        urls: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self, RedisConfigError> {
        Self::cluster_builder(urls).open()
    }

    /// Settings of a store on one server: `redis://[user:password@]host[:port][/database]`,
    /// `rediss://` for TLS (feature `redis-tls`), `unix:///path` for a socket.
    pub fn builder(url: impl Into<String>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(vec![url.into()], Place::Server)
    }

    /// Settings of a store on a cluster. User, password and TLS of the first URL
    /// serve for all nodes.
    pub fn cluster_builder(urls: impl IntoIterator<Item = impl Into<String>>) -> RedisStoreBuilder {
        RedisStoreBuilder::new(urls.into_iter().map(Into::into).collect(), Place::Cluster)
    }

    /// Settings of a store on the master that Redis Sentinels watch. `master` is a URL with the
    /// Sentinels' name of it in the place of the host: `redis://[user:password@]mymaster[/database]`,
    /// or `rediss://`. `sentinels` are the URLs of the Sentinels, `redis://[user:password@]host:26379`;
    /// user, password and TLS of the first serve for all of them.
    ///
    /// **Name all Sentinels**: a majority of those named here has to answer, or nobody is taken for the
    /// master. They are asked before every connection and at every
    /// [ping](RedisStoreBuilder::with_ping_interval); when they name another master, all copies are
    /// dropped before that one is asked anything. While no majority answers, the last word counts
    /// for 5 seconds; then every call fails, since a master that was cut off together with this machine
    /// may have been replaced.
    pub fn sentinel_builder(
        master: impl Into<String>,
        sentinels: impl IntoIterator<Item = impl Into<String>>,
    ) -> RedisStoreBuilder {
        let urls = std::iter::once(master.into()).chain(sentinels.into_iter().map(Into::into));
        RedisStoreBuilder::new(urls.collect(), Place::Sentinels)
    }

    /// Settings of the servers that cost sessions or safety; empty if there are none.
    /// Worth a look when a service starts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the servers do not answer.
    pub async fn check(&self) -> Result<Vec<RedisWarning>, StoreError> {
        let inner = &self.0;
        let checking = async {
            let mut warnings = Vec::new();
            for line in inner.topology.lines().await {
                let Some(mut connection) = line.connection().await else { continue };
                let server = line.endpoint.to_string();
                if let Some(refusal) = line.refusal() {
                    let (server, reason) = (server.clone(), refusal.to_string());
                    warnings.push(RedisWarning::NoLocalCopies { server, reason });
                }
                warnings.extend(check::check(&mut connection, &server).await);
            }
            Ok(warnings)
        };
        inner.within(5 * inner.timeout, checking).await
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl SessionStore for RedisStore {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        self.answer(move |inner| async move { inner.mint(session, now).await })
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.answer(move |inner| async move { inner.claim(&token, now).await })
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.answer(move |inner| async move { inner.state_of(&token, now).await })
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.advance(&token, now).await })
    }

    fn load(&self, ticket: &str, _now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        let Some((handle, issuer)) = addressed::read_ticket(ticket) else {
            return StoreFuture::ready(Ok(None));
        };
        if let Some(record) = self.0.copies.get(issuer, handle) {
            return StoreFuture::ready(Ok(Some(record)));
        }
        self.answer(move |inner| async move { inner.load(issuer, handle).await })
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        let (issuer, handle) = (record.issuer, record.handle);
        self.answer(move |inner| async move { inner.touch(issuer, handle, now).await })
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        _now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        let (read, new) = (record.clone(), SessionRecord { data, ..record.clone() });
        self.answer(move |inner| async move { inner.update_data(&read, &new).await })
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, _now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.revoke(issuer, handle).await })
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.answer(move |inner| async move { inner.revoke_all(issuer, now).await })
    }

    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage> {
        self.answer(move |inner| async move { inner.sessions_of(issuer, page, now).await })
    }

    fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
        let Some(place) = walk::Place::read(after.as_ref()) else {
            return StoreFuture::ready(Err(StoreError::Unsupported));
        };
        self.answer(
            move |inner| async move { walk::issuers(&inner.topology, &inner.keys, place).await },
        )
    }

    fn ready(&self) -> StoreFuture<()> {
        self.answer(move |inner| async move { inner.topology.ping().await })
    }
}

impl RedisStore {
    /// Redis's answer, or an error when time is up.
    fn answer<T, F>(&self, ask: impl FnOnce(Arc<Inner>) -> F) -> StoreFuture<T>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: 'static,
    {
        let inner = Arc::clone(&self.0);
        // Boxed at once: it would move several times before it runs.
        let asking = Box::pin(ask(Arc::clone(&inner)));
        StoreFuture::boxed(async move { inner.within(inner.timeout, asking).await })
    }
}

impl Inner {
    async fn within<T>(
        &self,
        limit: Duration,
        asking: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        let answer = timeout(limit, asking).await.unwrap_or_else(|_| {
            Err(self.topology.fault().unwrap_or_else(|| {
                let silence = format!("no answer within {} ms", limit.as_millis());
                Fault::unavailable(match self.topology.is_of_another_runtime() {
                    true => format!(
                        "{silence}; the connection belongs to another tokio runtime than the \
                         caller's, which may not be running"
                    ),
                    false => silence,
                })
            }))
        });
        Ok(answer?)
    }

    async fn ping(&self, limit: Duration) -> Result<(), StoreError> {
        self.within(limit, self.topology.ping()).await
    }

    async fn mint(&self, session: NewSession, now: Timestamp) -> Result<Minted, Fault> {
        let NewSession { token, expires_at, data, replaces, limit } = session;
        let issuer = token.issuer;
        // Another issuer's session lies in another slot and has a command of its own,
        // between the two halves of this. One of the same issuer is part of the script.
        let (elsewhere, here) = match replaces {
            Some((other, handle)) if other != issuer => (Some((other, handle)), None),
            replaced => (None, replaced.map(|(_, handle)| handle)),
        };
        if let Some((other, handle)) = elsewhere {
            let state = self.claim(&token, now).await?;
            if state != TokenState::New {
                return Ok(Minted::refused(state));
            }
            self.revoke(other, handle).await?;
        }
        let (id, handle) = Ticket::random().map_err(|_| Fault::NoRandomness)?;
        let record = SessionRecord::new(handle, issuer, now, expires_at, data);
        let json = serde_json::to_string(&record)
            .map_err(|_| Fault::corrupt("a session that has no JSON form"))?;
        let claim = match elsewhere {
            Some(_) => String::new(),
            None => millis(token.usable_until, now),
        };
        let args = vec![
            claim,
            handle.to_string(),
            expires_at.seconds().to_string(),
            now.seconds().to_string(),
            json,
            millis(expires_at, now),
            limit.max().map_or(0, NonZeroUsize::get).to_string(),
            now.seconds().to_string(),
            here.map(|handle| handle.to_string()).unwrap_or_default(),
            token.issued_at.seconds().to_string(),
            of_clock(now).to_string(),
            lists::INDEXED_PER_CALL.to_string(),
            lists::LOOKED_AT_FOR_EXPIRED.to_string(),
            MAX_ENDED_PER_MINT.to_string(),
        ];
        let mut keys = vec![self.keys.token(&token)];
        keys.extend(self.keys.list_of(issuer));
        keys.push(self.keys.revoked_of(issuer));
        let _changing = self.changing(issuer);
        match self.ask(issuer, &Request::script(&lists::MINT, keys, args)).await?.value {
            Value::Int(0) => {
                let ticket = addressed::ticket(&id, issuer);
                Ok(Minted::Session { ticket, record: Arc::new(record) })
            }
            other => tokens::read_state(&other).map(Minted::refused),
        }
    }

    async fn advance(&self, token: &TokenMark, now: Timestamp) -> Result<bool, Fault> {
        let args = vec![
            token.issued_at.seconds().to_string(),
            // The holder's clock may run ahead. What is noted does not, or a single
            // token from the future would lock out those of the present.
            token.issued_at.min(now).seconds().to_string(),
            kept::newest(token.usable_until, now).as_millis().to_string(),
        ];
        let keys = vec![self.keys.newest_of(token.issuer)];
        let advance = Request::script(&script::ADVANCE, keys, args).and_repeatable();
        match self.ask(token.issuer, &advance).await?.value {
            Value::Int(advanced) => Ok(advanced != 0),
            _ => Err(Fault::unexpected()),
        }
    }

    async fn load(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, Fault> {
        let known = || self.copies.get(issuer, handle).map(|record| Ok(Some(record)));
        // Two boxes that allocators have at hand, in place of one that is too large for that.
        let ask = Box::pin(self.look_up(issuer, handle));
        // Who makes up an issuer for somebody else's handle shares no answer with them.
        let answer = self.in_flight.load((issuer, handle), self.timeout, known, ask).await;
        answer.unwrap_or_else(|| Err(Fault::too_many()))
    }

    async fn look_up(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, Fault> {
        let (key, field) = (self.keys.sessions_of(issuer), handle.digits());
        let mut get = Cmd::with_capacity(3, HGET.len() + key.len() + field.len());
        get.arg(HGET).arg(key).arg(&field[..]);
        // Before asking: what changes from here on is not in the answer.
        let slot = self.topology.slot_of(issuer);
        let asked = self.copies.asking(issuer, slot);
        let Answer { value, line } = match self.topology.run(slot, &Request::lookup(get)).await {
            Err(Fault::Corrupt(reason)) => {
                return Box::pin(self.lost(issuer, handle, reason)).await;
            }
            answer => answer?,
        };
        match value {
            Value::BulkString(text) => {
                let record = match Stored::read(&text, issuer, handle) {
                    Ok(stored) => Arc::new(stored.record),
                    Err(unreadable) => {
                        let lost = self.lost(issuer, handle, unreadable.to_string().into());
                        return Box::pin(lost).await;
                    }
                };
                self.copies.put(&record, asked, line);
                Ok(Some(record))
            }
            Value::Nil => Ok(None),
            _ => Err(Fault::unexpected()),
        }
    }

    /// A session that can never be read. Its cookie is about to be cleared, so it ends: no
    /// machine that can read it may accept the cookie afterwards.
    async fn lost<T>(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
        reason: Cow<'static, str>,
    ) -> Result<T, Fault> {
        trace::unreadable(issuer, handle, &reason);
        self.revoke(issuer, handle).await?;
        Err(Fault::Corrupt(reason))
    }

    async fn touch(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
        now: Timestamp,
    ) -> Result<Touched, Fault> {
        let keys = vec![self.keys.sessions_of(issuer)];
        let args = vec![handle.to_string(), now.seconds().to_string()];
        let _changing = self.changing(issuer);
        let touch = Request::script(&script::TOUCH, keys, args).and_repeatable();
        match self.ask(issuer, &touch).await?.value {
            Value::Int(_) => Ok(Touched::default()),
            _ => Err(Fault::unexpected()),
        }
    }

    async fn update_data(
        &self,
        read: &SessionRecord,
        new: &SessionRecord,
    ) -> Result<DataUpdate, Fault> {
        let (issuer, handle) = (read.issuer, read.handle);
        let json = serde_json::to_string(new)
            .map_err(|_| Fault::corrupt("a session that has no JSON form"))?;
        let known = read.data.text().unwrap_or_default().to_owned();
        let args = vec![handle.to_string(), known, json];
        let keys = vec![self.keys.sessions_of(issuer)];
        let _changing = self.changing(issuer);
        // Not to be repeated: where the answer was lost, the second would find the data of the
        // first, and take it for somebody else's.
        let update = Request::script(&script::UPDATE_DATA, keys, args);
        match self.ask(issuer, &update).await?.value {
            Value::Int(1) => Ok(DataUpdate::stored()),
            Value::Int(0) => Ok(DataUpdate::Ended),
            Value::BulkString(text) => match Stored::read(&text, issuer, handle) {
                Ok(stored) => Ok(DataUpdate::conflict(Some(Arc::new(stored.record)))),
                Err(unreadable) => Err(Fault::Corrupt(unreadable.to_string().into())),
            },
            _ => Err(Fault::unexpected()),
        }
    }

    async fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, Fault> {
        let keys = vec![self.keys.sessions_of(issuer)];
        let _changing = self.changing(issuer);
        let revoke = Request::script(&lists::REVOKE, keys, vec![handle.to_string()]);
        let Value::Int(found) = self.ask(issuer, &revoke).await?.value else {
            return Err(Fault::unexpected());
        };
        let mut forget = redis::cmd("ZREM");
        forget.arg(self.keys.index_of(issuer)).arg(handle.to_string());
        // The session has ended, whatever becomes of this: an index that differs is mended when
        // it is read next.
        let _ = self.ask(issuer, &Request::repeatable(forget)).await;
        Ok(found != 0)
    }

    async fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> Result<(), Fault> {
        let keys = vec![self.keys.sessions_of(issuer), self.keys.revoked_of(issuer)];
        let args = vec![now.seconds().to_string(), tokens::revoked_for(now)];
        let _changing = self.changing(issuer);
        let revoke_all = Request::script(&script::REVOKE_ALL, keys, args).and_repeatable();
        match self.ask(issuer, &revoke_all.in_steps_while_a_slot_moves()).await {
            Ok(Answer { value: Value::Int(_), .. }) => Ok(()),
            Ok(_) => Err(Fault::unexpected()),
            Err(Fault::SlotMoves) => self.revoke_all_in_steps(issuer, now).await,
            Err(fault) => Err(fault),
        }
    }

    /// The sessions, to make room where memory is short. Then the tokens: from then on none of them
    /// makes a session. Then the sessions that they made in between. (One that a later token made
    /// ends too.)
    async fn revoke_all_in_steps(&self, issuer: Issuer, now: Timestamp) -> Result<(), Fault> {
        let keys = vec![self.keys.revoked_of(issuer)];
        let args = vec![now.seconds().to_string(), tokens::revoked_for(now)];
        let tokens = Request::script(&script::REVOKE_TOKENS, keys, args).and_repeatable();
        let unlink = || {
            let mut unlink = redis::cmd("UNLINK");
            unlink.arg(self.keys.sessions_of(issuer));
            Request::repeatable(unlink)
        };
        for step in [unlink(), tokens, unlink()] {
            match self.ask(issuer, &step).await?.value {
                Value::Int(_) => {}
                _ => return Err(Fault::unexpected()),
            }
        }
        Ok(())
    }

    async fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<SessionPage, Fault> {
        let after = match page.cursor() {
            Some(cursor) => format!("({}", cursor.as_u64()),
            None => "-inf".to_owned(),
        };
        let args = vec![
            after,
            // One more than asked for, to know whether there is a next page.
            page.size().saturating_add(1).to_string(),
            now.seconds().to_string(),
            lists::INDEXED_PER_CALL.to_string(),
        ];
        let list = Request::script(&lists::LIST, self.keys.list_of(issuer), args).and_repeatable();
        for _ in 0..LIST_TRIES {
            let Value::Array(answer) = self.ask(issuer, &list).await?.value else {
                return Err(Fault::unexpected());
            };
            let Some((Value::BulkString(state), listed)) = answer.split_first() else {
                return Err(Fault::unexpected());
            };
            if state == b"complete" {
                return read_page(listed, page.size(), issuer, now);
            }
        }
        Err(Fault::unavailable("the sessions of an older version are being put in order"))
    }

    async fn ask(&self, issuer: Issuer, request: &Request) -> Result<Answer, Fault> {
        self.topology.run(self.topology.slot_of(issuer), request).await
    }

    /// To be held while an issuer's sessions are changed.
    fn changing(&self, issuer: Issuer) -> Changing<'_> {
        Changing::of(&self.invalidations, issuer)
    }
}

/// Reads handle, number and text in turn, of one session more than the page has if there is a
/// next one. An unreadable entry is skipped, and still takes up a place.
fn read_page(
    listed: &[Value],
    size: usize,
    issuer: Issuer,
    now: Timestamp,
) -> Result<SessionPage, Fault> {
    let (listed, _) = listed.as_chunks::<3>();
    let (mut sessions, mut last) = (Vec::with_capacity(listed.len()), None);
    for [name, number, stored] in listed.iter().take(size) {
        let (Some(name), Some(number), Value::BulkString(stored)) =
            (text(name), text(number), stored)
        else {
            return Err(Fault::unexpected());
        };
        // A float to Redis, and a whole number all the same.
        let number: f64 = number.parse().map_err(|_| Fault::unexpected())?;
        last = Some(PageCursor::from_u64(number as u64));
        let Ok(handle) = name.parse() else { continue };
        match Stored::read(stored, issuer, handle) {
            Ok(stored) if stored.record.expires_at > now => sessions.push(Arc::new(stored.record)),
            Ok(_) => {}
            Err(unreadable) => trace::unreadable(issuer, handle, &unreadable.to_string()),
        }
    }
    Ok(SessionPage::new(sessions, last.filter(|_| listed.len() > size)))
}

/// For how long, from `now`, something must stay that matters until `end`.
fn millis(end: Timestamp, now: Timestamp) -> String {
    kept::until(end, now).as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Address;

    /// The largest piece of memory that glibc keeps at hand for each thread (`tcache`), in bytes. Larger ones
    /// take several times as long to get and give back.
    const AT_HAND: usize = 1032;

    #[tokio::test]
    async fn a_question_for_a_session_is_small() {
        let store = RedisStore::builder("redis://localhost").with_local_copies(0);
        let store = store.open().expect("a store");
        let (issuer, handle) =
            (Address::from_bytes([1; 20]).into(), SessionHandle::from_bytes([1; 32]));
        let outer = size_of_val(&store.0.load(issuer, handle));
        let inner = size_of_val(&store.0.look_up(issuer, handle));
        assert!(outer <= AT_HAND && inner <= AT_HAND, "{outer} and {inner} bytes");
    }

    #[tokio::test]
    async fn a_cluster_is_asked_by_the_slot_of_the_keys_and_one_server_without() {
        let issuer = Address::from_bytes([1; 20]).into();
        let cluster = RedisStore::open_cluster(["redis://localhost"]).expect("a store");
        assert_eq!(cluster.0.topology.slot_of(issuer), keys::slot_of(issuer));
        assert_ne!(keys::slot_of(issuer), 0);
        let server = RedisStore::open("redis://localhost").expect("a store");
        assert_eq!(server.0.topology.slot_of(issuer), 0);
    }
}
