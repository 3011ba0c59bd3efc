//! Sessions in PostgreSQL.
//!
//! Every call is one function that the server runs in one transaction. Those that decide about an
//! issuer's tokens hold a lock of that issuer's for their time, so that they happen one after the
//! other; every statement within sees what was committed when it got the lock.

mod calls;
mod check;
mod cleaner;
mod config;
mod connections;
mod fault;
mod listener;
mod loads;
mod schema;
mod trace;

use std::fmt;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Connection, Executor, PgPool, Row as _, SqlStr};
use tokio::time::{sleep, timeout};

use self::calls::Calls;
pub use self::check::PostgresWarning;
use self::cleaner::Progress;
pub use self::config::{PostgresConfigError, PostgresConnectError, PostgresStoreBuilder};
use self::connections::{Connections, Lease};
use self::fault::Next;
use self::listener::Listener;
use self::loads::{Answer, Loads, Question};
use self::schema::Schema;
use super::copies::{Changing, Copies, Flights, Invalidations, Reporter};
use super::sql::{
    Fault, ISSUERS_LOOKED_AT, LOOKED_AT_FOR_EXPIRED, REMOVED_AT_ONCE, Row, clean, issuers_of,
    page_of, place_of, seconds,
};
use super::{
    DataUpdate, IssuerCursor, IssuerPage, MAX_ENDED_PER_MINT, Minted, NewSession, PageRequest,
    SessionData, SessionHandle, SessionPage, SessionRecord, SessionStore, StoreError, StoreFuture,
    Ticket, TokenMark, TokenState, Touched,
};
use super::{addressed, kept};
use crate::did::{Issuer, Timestamp};

/// How long to wait before a call is tried on another connection.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a migration may take, and how long it may wait for locks of tables.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);
const MIGRATION_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '10s'";

/// The lock of whoever migrates or cleans, of all numbers that issuers' locks have.
const LOCK_OF_ALL: i64 = 0x6469_6474;

/// Sessions in PostgreSQL (13 or newer), shared by any number of machines.
///
/// - **A session that was used lately costs no round trip**: this process keeps a
///   copy, and PostgreSQL tells when it changes (`LISTEN`). Any other costs one.
/// - **A revocation reaches other machines in the time that a message takes**, some
///   milliseconds: that long may a request there still pass after
///   [`revoke`](SessionStore::revoke) has returned here. If the network to such
///   a machine is cut, it uses its copies for
///   [`ping_interval`](PostgresStoreBuilder::with_ping_interval) and
///   [`timeout`](PostgresStoreBuilder::with_timeout) more, 750 ms by default, and then
///   answers with 503. [`with_local_copies(0)`](PostgresStoreBuilder::with_local_copies)
///   asks PostgreSQL every time and has no such delay.
/// - **PostgreSQL away is an error within the timeout**, 500 ms by default. The store connects
///   again by itself.
///
/// The tables and functions lie in a schema of their own; [`migrate`](Self::migrate) makes them. What
/// PostgreSQL has acknowledged it can still lose: by a crash without `synchronous_commit` or `fsync`,
/// by failover to a standby that lags. See [`check`](Self::check).
///
/// Cloning is cheap and shares the store. Needs a tokio runtime.
///
/// ```no_run
/// use tower_didt::PostgresStore;
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::open("postgres://app:secret@localhost/shop?sslmode=verify-full")?;
/// store.migrate().await?;
/// for warning in store.check().await? {
///     eprintln!("{warning}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

struct Inner {
    connections: Connections,
    listener: Option<Arc<Listener>>,
    invalidations: Arc<Invalidations>,
    copies: Copies<SessionRecord, Listener>,
    in_flight: Flights<Question, Result<Option<Arc<SessionRecord>>, Fault>>,
    loads: Loads,
    schema: Schema,
    calls: Calls,
    timeout: Duration,
    /// Whether every call is a transaction of its own: for poolers.
    in_transactions: bool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.close();
        }
    }
}

impl PostgresStore {
    /// A store with default settings, connecting when it is needed: a service can start while
    /// PostgreSQL is away. See [`PostgresStoreBuilder::open`].
    ///
    /// # Errors
    ///
    /// [`PostgresConfigError`] if the URL is not a PostgreSQL URL, or there is no tokio runtime.
    pub fn open(url: impl Into<String>) -> Result<Self, PostgresConfigError> {
        Self::builder(url).open()
    }

    /// A store with default settings whose server has answered and has the schema that is needed.
    ///
    /// # Errors
    ///
    /// [`PostgresConnectError`] if the URL is not a PostgreSQL URL, or the server is not ready within
    /// 2.5 seconds.
    pub async fn connect(url: impl Into<String>) -> Result<Self, PostgresConnectError> {
        Self::builder(url).connect().await
    }

    /// Settings of a store with connections of its own:
    /// `postgres://[user:password@]host[:port]/database`, with the parameters that `sqlx` knows.
    ///
    /// Across a network add `sslmode=verify-full`. The default of `sqlx`, `prefer`, accepts any
    /// certificate, and none.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder::of_url(url.into())
    }

    /// Settings of a store that asks by connections of your pool. The connection that changes are
    /// told on is one more, made with the pool's options.
    ///
    /// With `test_before_acquire`, which is on by default, every call costs two round trips.
    pub fn with_pool(pool: PgPool) -> PostgresStoreBuilder {
        PostgresStoreBuilder::of_pool(pool)
    }

    /// Makes the tables and functions, or brings them to the version that this crate needs. Does
    /// nothing where they have it. Several processes may call this at the same time.
    ///
    /// The user must be allowed to make a schema in the database, or to make tables and functions in
    /// the schema if it exists. For those who run the SQL themselves there is
    /// [`PostgresStoreBuilder::schema_sql`].
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is not done within 60 seconds. Nothing was changed then.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.0.within(MIGRATION_TIMEOUT, self.0.migrate()).await
    }

    /// Removes rows that nobody needs any more; how many it removed. The store does so by itself at
    /// [regular times](PostgresStoreBuilder::with_cleaning_interval).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if PostgreSQL does not answer. What was removed stays removed.
    pub async fn clean_up(&self) -> Result<u64, StoreError> {
        clean(&*self.0).await
    }

    /// Settings of the server that cost sessions or safety; empty if there are none.
    /// Worth a look when a service starts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the server does not answer.
    pub async fn check(&self) -> Result<Vec<PostgresWarning>, StoreError> {
        self.0.within(5 * self.0.timeout, check::check(&self.0)).await
    }

    /// Whether sessions that were used lately are answered from copies at this moment: PostgreSQL
    /// tells of changes. `false` for a moment after the start, without copies, and while the
    /// server is away.
    #[must_use]
    pub fn has_copies(&self) -> bool {
        self.0.listener.as_ref().is_some_and(|listener| listener.is_trusted())
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl SessionStore for PostgresStore {
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
        let read = record.clone();
        self.answer(move |inner| async move { inner.update_data(&read, &data).await })
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
        match after.map(|cursor| cursor.issuer()).transpose() {
            Ok(after) => self.answer(move |inner| async move { inner.issuers(after).await }),
            Err(refusal) => StoreFuture::ready(Err(refusal)),
        }
    }

    fn ready(&self) -> StoreFuture<()> {
        self.answer(move |inner| async move { inner.ask_whether_ready().await })
    }
}

impl PostgresStore {
    /// An answer that PostgreSQL gives, or an error when its time is over.
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

/// A call of a function: the statement, its arguments, and whether doing it twice is the same as
/// doing it once, so that it may be sent again when nobody knows whether it was done.
struct Call<'a> {
    sql: &'a SqlStr,
    arguments: &'a (dyn Fn() -> Result<PgArguments, Fault> + Sync),
    repeatable: bool,
}

/// Writes the arguments of a call, in their order.
macro_rules! arguments {
    ($($value:expr),+ $(,)?) => {
        &|| {
            let mut arguments = PgArguments::default();
            $(arguments.add($value).map_err(|_| Fault::unexpected())?;)+
            Ok(arguments)
        }
    };
}

impl Inner {
    async fn within<T>(
        &self,
        limit: Duration,
        asking: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, StoreError> {
        let answer = timeout(limit, asking).await.unwrap_or_else(|_| {
            Err(self.connections.fault().unwrap_or_else(|| {
                Fault::unavailable(format!("no answer within {} ms", limit.as_millis()))
            }))
        });
        Ok(answer?)
    }

    async fn mint(&self, session: NewSession, now: Timestamp) -> Result<Minted, Fault> {
        let NewSession { token, expires_at, data, replaces, limit } = session;
        let issuer = token.issuer;
        let (id, handle) = Ticket::random().map_err(|_| Fault::NoRandomness)?;
        let record = SessionRecord::new(handle, issuer, now, expires_at, data);
        let limit = limit.max().map_or(0, NonZeroUsize::get);
        let replaced_issuer = replaces.map(|(issuer, _)| issuer.address());
        let _changing = self.changing(issuer);
        let _replacing = replaces.map(|(other, _)| self.changing(other));
        let arguments = arguments![
            self.wait(),
            lock_of(issuer),
            &token.digest.as_bytes()[..],
            &issuer.address().as_bytes()[..],
            token.issued_at.as_secs_f64(),
            seconds(kept::until(token.usable_until, now)),
            &handle.as_bytes()[..],
            now.as_secs_f64(),
            expires_at.as_secs_f64(),
            seconds(kept::until(expires_at, now)),
            record.data.text(),
            place_of(now),
            i64::try_from(limit).unwrap_or(i64::MAX),
            LOOKED_AT_FOR_EXPIRED,
            MAX_ENDED_PER_MINT as i32,
            replaced_issuer.as_ref().map(|address| &address.as_bytes()[..]),
            replaces.as_ref().map(|(_, handle)| &handle.as_bytes()[..]),
        ];
        match self.one(&Call { sql: &self.calls.mint, arguments, repeatable: false }).await? {
            state @ (1 | 2) => read_state(state).map(Minted::refused),
            0 => {
                let ticket = addressed::ticket(&id, issuer);
                Ok(Minted::Session { ticket, record: Arc::new(record) })
            }
            _ => Err(Fault::unexpected()),
        }
    }

    async fn claim(&self, token: &TokenMark, now: Timestamp) -> Result<TokenState, Fault> {
        let arguments = arguments![
            self.wait(),
            lock_of(token.issuer),
            &token.digest.as_bytes()[..],
            &token.issuer.address().as_bytes()[..],
            token.issued_at.as_secs_f64(),
            seconds(kept::until(token.usable_until, now)),
        ];
        let claim = Call { sql: &self.calls.claim, arguments, repeatable: false };
        read_state(self.one(&claim).await?)
    }

    async fn state_of(&self, token: &TokenMark, now: Timestamp) -> Result<TokenState, Fault> {
        let is_young = kept::is_young(token.issued_at, now);
        let arguments = arguments![
            self.wait(),
            lock_of(token.issuer),
            &token.digest.as_bytes()[..],
            &token.issuer.address().as_bytes()[..],
            token.issued_at.as_secs_f64(),
            is_young.then(|| seconds(kept::until(token.usable_until, now))),
        ];
        let state_of = Call { sql: &self.calls.state_of, arguments, repeatable: true };
        read_state(self.one(&state_of).await?)
    }

    async fn advance(&self, token: &TokenMark, now: Timestamp) -> Result<bool, Fault> {
        let arguments = arguments![
            self.wait(),
            lock_of(token.issuer),
            &token.issuer.address().as_bytes()[..],
            token.issued_at.as_secs_f64(),
            // The holder's clock may run ahead. What is noted does not, or a single
            // token from the future would lock out those of the present.
            token.issued_at.min(now).as_secs_f64(),
            seconds(kept::newest(token.usable_until, now)),
        ];
        self.one(&Call { sql: &self.calls.advance, arguments, repeatable: true }).await
    }

    async fn load(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, Fault> {
        let known = || self.copies.get(issuer, handle).map(|record| Ok(Some(record)));
        let ask = pin!(self.look_up(issuer, handle));
        // Who makes up an issuer for somebody else's handle shares no answer with them.
        let answer = self.in_flight.load((issuer, handle), self.timeout, known, ask).await;
        answer.unwrap_or_else(|| Err(Fault::unavailable("too many look-ups wait for the database")))
    }

    async fn look_up(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, Fault> {
        if let Some(listener) = &self.listener {
            listener.revive();
        }
        // Before asking: what changes from here on is not in the answer.
        let asked = self.copies.asking(issuer, 0);
        let ask = async |questions: &[Question]| self.load_all(questions).await;
        let (server, found) = self.loads.load((issuer, handle), ask).await?;
        let Some(found) = found else { return Ok(None) };
        let record = match found.read(issuer, handle) {
            Ok(record) => Arc::new(record),
            Err(unreadable) => return Box::pin(self.lost(issuer, handle, unreadable)).await,
        };
        // The server that answered is the one that tells of changes, or there is no copy.
        let reporter = self.listener.clone().filter(|listener| listener.reports_on(server));
        self.copies.put(&record, asked, reporter);
        Ok(Some(record))
    }

    async fn load_all(&self, questions: &[Question]) -> Result<Vec<Answer>, Fault> {
        let rows = match questions {
            // The most frequent case, for which the server has less to do.
            [(issuer, handle)] => {
                let (issuer, handle) = (issuer.address(), handle.as_bytes());
                let arguments = arguments![self.wait(), &issuer.as_bytes()[..], &handle[..]];
                self.ask(&Call { sql: &self.calls.load, arguments, repeatable: true }).await?
            }
            several => {
                let issuers = several.iter().map(|(issuer, _)| issuer.address());
                let issuers: Vec<_> = issuers.map(|address| address.as_bytes().to_vec()).collect();
                let handles = several.iter().map(|(_, handle)| handle.as_bytes().to_vec());
                let handles: Vec<_> = handles.collect();
                let arguments = arguments![self.wait(), &issuers, &handles];
                let sql = &self.calls.load_together;
                self.ask(&Call { sql, arguments, repeatable: true }).await?
            }
        };
        rows.iter().map(|row| Ok((column(row, "server")?, read_row(row)?))).collect()
    }

    /// A session that can never be read. Its cookie is about to be taken away, so it ends: no
    /// machine that can read it may accept the cookie afterwards.
    async fn lost<T>(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
        unreadable: Fault,
    ) -> Result<T, Fault> {
        trace::unreadable(issuer, Some(handle), &unreadable);
        self.revoke(issuer, handle).await?;
        Err(unreadable)
    }

    async fn touch(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
        now: Timestamp,
    ) -> Result<Touched, Fault> {
        let _changing = self.changing(issuer);
        let arguments = arguments![
            self.wait(),
            &issuer.address().as_bytes()[..],
            &handle.as_bytes()[..],
            now.as_secs_f64(),
        ];
        self.ask(&Call { sql: &self.calls.touch, arguments, repeatable: true }).await?;
        Ok(Touched::default())
    }

    async fn update_data(
        &self,
        read: &SessionRecord,
        data: &SessionData,
    ) -> Result<DataUpdate, Fault> {
        let (issuer, handle) = (read.issuer, read.handle);
        let _changing = self.changing(issuer);
        let arguments = arguments![
            self.wait(),
            &issuer.address().as_bytes()[..],
            &handle.as_bytes()[..],
            read.data.text(),
            data.text(),
        ];
        // Not to be repeated: where the answer was lost, the second would find the data of the
        // first, and take it for somebody else's.
        let update = Call { sql: &self.calls.update_data, arguments, repeatable: false };
        if self.one(&update).await? {
            return Ok(DataUpdate::stored());
        }
        // Asked for itself: a copy may be what the other change was made of, if that was made
        // elsewhere and is not known here yet.
        let current = self.look_up(issuer, handle).await?;
        Ok(current.map_or(DataUpdate::Ended, |current| DataUpdate::conflict(Some(current))))
    }

    async fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, Fault> {
        let _changing = self.changing(issuer);
        let arguments =
            arguments![self.wait(), &issuer.address().as_bytes()[..], &handle.as_bytes()[..],];
        // Sent again, it may say that there was none, and there is none.
        self.one(&Call { sql: &self.calls.revoke, arguments, repeatable: true }).await
    }

    async fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> Result<(), Fault> {
        let _changing = self.changing(issuer);
        let arguments = arguments![
            self.wait(),
            lock_of(issuer),
            &issuer.address().as_bytes()[..],
            now.as_secs_f64(),
            seconds(kept::revoked(now)),
            REMOVED_AT_ONCE,
        ];
        self.ask(&Call { sql: &self.calls.revoke_all, arguments, repeatable: true }).await?;
        Ok(())
    }

    async fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<SessionPage, Fault> {
        let after =
            page.cursor().map_or(-1, |cursor| i64::try_from(cursor.as_u64()).unwrap_or(i64::MAX));
        let arguments = arguments![
            self.wait(),
            &issuer.address().as_bytes()[..],
            after,
            // One more than asked for, to know whether there is a next page.
            page.size().saturating_add(1) as i32,
        ];
        let rows = self.ask(&Call { sql: &self.calls.list, arguments, repeatable: true }).await?;
        let read = |row: &PgRow| -> Result<_, Fault> {
            let handle: Vec<u8> = column(row, "handle")?;
            let record = match <[u8; 32]>::try_from(handle.as_slice()) {
                Ok(handle) => read_row(row)?
                    .ok_or_else(Fault::unexpected)?
                    .read(issuer, SessionHandle::from_bytes(handle)),
                Err(_) => Err(Fault::corrupt("a handle in the database is not 32 bytes long")),
            };
            Ok((column(row, "number")?, record))
        };
        let rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(page_of(rows, page.size(), now, |fault| trace::unreadable(issuer, None, fault)))
    }

    async fn issuers(&self, after: Option<Issuer>) -> Result<IssuerPage, Fault> {
        let after = after.map(|issuer| issuer.address());
        // No bytes come before all addresses.
        let after = after.as_ref().map_or(&[][..], |address| &address.as_bytes()[..]);
        let arguments = arguments![self.wait(), after, ISSUERS_LOOKED_AT];
        let issuers = Call { sql: &self.calls.issuers, arguments, repeatable: true };
        let rows = self.ask(&issuers).await?;
        let read = |row| Ok((column(row, "issuer")?, column(row, "lives")?));
        issuers_of(rows.iter().map(read).collect::<Result<_, Fault>>()?)
    }

    async fn ready(&self, limit: Duration) -> Result<(), StoreError> {
        self.within(limit, self.ask_whether_ready()).await
    }

    async fn ask_whether_ready(&self) -> Result<(), Fault> {
        let arguments = arguments![self.wait()];
        let version: i32 =
            self.one(&Call { sql: &self.calls.ready, arguments, repeatable: true }).await?;
        match version >= schema::NEWEST {
            true => Ok(()),
            false => Err(Fault::unavailable("the schema is an old one: run its migrations")),
        }
    }

    /// One step of a round of cleaning: how many rows it removed.
    async fn clean(
        &self,
        limit: Duration,
        rows: i32,
        progress: &mut Progress,
    ) -> Result<u64, StoreError> {
        let arguments = arguments![
            limit.as_millis() as i32,
            LOCK_OF_ALL,
            rows,
            progress.tokens,
            progress.sessions,
            progress.issuers,
            &progress.issuer[..],
            progress.number,
        ];
        let clean = Call { sql: &self.calls.clean, arguments, repeatable: true };
        let rows = self.within(limit, self.ask(&clean)).await?;
        let row = rows.first().ok_or_else(Fault::unexpected)?;
        let removed: i64 = column(row, "removed")?;
        *progress = Progress {
            tokens: column(row, "p_tokens")?,
            sessions: column(row, "p_sessions")?,
            issuers: column(row, "p_issuers")?,
            issuer: column(row, "p_issuer")?,
            number: column(row, "p_number")?,
        };
        Ok(u64::try_from(removed).unwrap_or(0))
    }

    async fn migrate(&self) -> Result<(), Fault> {
        let lease = self.connections.lease(true, self.timeout).await;
        let mut lease = lease.map_err(|(fault, _)| fault)?;
        lease.closing();
        let migrating = async {
            let mut transaction = lease.begin().await?;
            transaction.execute(sqlx::raw_sql(MIGRATION_LOCK_TIMEOUT)).await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .persistent(false)
                .bind(LOCK_OF_ALL)
                .execute(&mut *transaction)
                .await?;
            let ask = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
            let row = ask(self.schema.has_versions()).fetch_one(&mut *transaction).await?;
            let exists: bool = row.try_get(0)?;
            if !exists {
                transaction.execute(ask(self.schema.beginning())).await?;
            }
            let row = ask(self.schema.version()).fetch_one(&mut *transaction).await?;
            let version: Option<i32> = row.try_get(0)?;
            for step in self.schema.steps_after(version.unwrap_or(0)) {
                transaction.execute(ask(step)).await?;
            }
            transaction.commit().await
        };
        let outcome = migrating.await;
        let migrated = outcome.map_err(|error: sqlx::Error| fault::read(&error).0);
        if migrated.is_ok() {
            lease.keep();
        }
        migrated
    }

    /// The single value of a call.
    async fn one<T>(&self, call: &Call<'_>) -> Result<T, Fault>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let rows = self.ask(call).await?;
        rows.first().and_then(|row| row.try_get(0).ok()).ok_or_else(Fault::unexpected)
    }

    /// Calls a function, on another connection where one turns out to be dead. Goes on for ever:
    /// give it a time limit.
    async fn ask(&self, call: &Call<'_>) -> Result<Vec<PgRow>, Fault> {
        loop {
            let fault = match self.connections.lease(!call.repeatable, self.timeout).await {
                Err((fault, Next::Refused)) => return Err(fault),
                Err((fault, _)) => fault,
                Ok(mut lease) => match self.ask_by(&mut lease, call).await? {
                    Ok(rows) => {
                        lease.keep();
                        return Ok(rows);
                    }
                    Err(error) => {
                        lease.closing();
                        let (fault, next) = fault::read(&error);
                        match next {
                            Next::Refused => {
                                lease.keep();
                                return Err(fault);
                            }
                            Next::WrongServer => {
                                self.connections.forget_idle();
                                return Err(fault);
                            }
                            Next::Lost if !call.repeatable => return Err(fault),
                            Next::Lost | Next::NothingDone => {
                                self.connections.forget_idle();
                                fault
                            }
                        }
                    }
                },
            };
            self.connections.note(fault);
            sleep(PAUSE).await;
        }
    }

    async fn ask_by(
        &self,
        lease: &mut Lease,
        call: &Call<'_>,
    ) -> Result<Result<Vec<PgRow>, sqlx::Error>, Fault> {
        let query = sqlx::query_with(call.sql.clone(), (call.arguments)()?);
        if !self.in_transactions {
            return Ok(query.fetch_all(&mut **lease).await);
        }
        lease.closing();
        let asking = async {
            let mut transaction = lease.begin().await?;
            let rows = query.persistent(false).fetch_all(&mut *transaction).await;
            match rows {
                Ok(rows) => transaction.commit().await.map(|()| rows),
                Err(error) => {
                    transaction.rollback().await?;
                    Err(error)
                }
            }
        };
        Ok(Box::pin(asking).await)
    }

    /// For how long a function waits for locks, in ms: a little less than its caller waits, so
    /// that no function goes on waiting when nobody listens any more.
    fn wait(&self) -> i32 {
        i32::try_from(self.timeout.as_millis() * 3 / 4).unwrap_or(i32::MAX).max(1)
    }

    /// To be held while an issuer's sessions are changed.
    fn changing(&self, issuer: Issuer) -> Changing<'_> {
        Changing::of(&self.invalidations, issuer)
    }
}

/// The lock of an issuer's tokens and sessions. Two issuers may share one, and then wait for each
/// other.
fn lock_of(issuer: Issuer) -> i64 {
    let address = issuer.address();
    address.as_bytes().last_chunk().map_or(0, |low| i64::from_be_bytes(*low))
}

/// What the functions say of a token.
fn read_state(state: i32) -> Result<TokenState, Fault> {
    match state {
        0 => Ok(TokenState::New),
        1 => Ok(TokenState::Used),
        2 => Ok(TokenState::Revoked),
        _ => Err(Fault::unexpected()),
    }
}

/// The columns of a session, or nothing where they are all null.
fn read_row(row: &PgRow) -> Result<Option<Row>, Fault> {
    let created_at: Option<f64> = column(row, "created_at")?;
    let Some(created_at) = created_at else { return Ok(None) };
    Ok(Some(Row {
        created_at,
        last_seen: column(row, "last_seen")?,
        expires_at: column(row, "expires_at")?,
        data: column(row, "data")?,
    }))
}

fn column<'r, T>(row: &'r PgRow, name: &str) -> Result<T, Fault>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|_| Fault::unexpected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Address;

    /// Some five copies of it are made for each request.
    #[tokio::test]
    async fn a_question_for_a_session_is_small() {
        let store = PostgresStore::builder("postgres://localhost").with_local_copies(0);
        let store = store.open().expect("a store");
        let (issuer, handle) =
            (Address::from_bytes([1; 20]).into(), SessionHandle::from_bytes([1; 32]));
        let bytes = size_of_val(&store.0.load(issuer, handle));
        assert!(bytes <= 1536, "{bytes} bytes");
    }
}
