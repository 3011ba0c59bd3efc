//! Sessions in an SQLite file.
//!
//! What changes something is one transaction that has the file's one lock for writing from its
//! beginning (`BEGIN IMMEDIATE`), so that all changes happen one after the other, in whichever
//! process.

mod cleaner;
mod config;
mod fault;
mod place;
mod schema;
mod statements;
mod trace;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Executor, Row as _, Sqlite, SqliteConnection, SqlitePool};
use tokio::time::timeout;

pub use self::config::{SqliteConfigError, SqliteConnectError, SqliteStoreBuilder};
use self::schema::Schema;
use self::statements::Statements;
use super::kept;
use super::sql::{
    Fault, ISSUERS_LOOKED_AT, LOOKED_AT_FOR_EXPIRED, REMOVED_AT_ONCE, Row, clean, issuers_of,
    page_of, place_of, seconds,
};
use super::{
    DataUpdate, IssuerCursor, IssuerPage, MAX_ENDED_PER_MINT, Minted, NewSession, PageRequest,
    SessionData, SessionHandle, SessionPage, SessionRecord, SessionStore, StoreError, StoreFuture,
    Ticket, TokenMark, TokenState, Touched,
};
use crate::did::{Issuer, Timestamp};

/// How long a migration may take.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(60);

/// Sessions in an SQLite file: for any number of processes of **one machine**. They survive
/// restarts, and need no server.
///
/// - The file has a write-ahead log, and every commit waits for the disk: what was revoked stays
///   revoked after a crash.
/// - One process or thread writes at a time; others wait for it, up to the
///   [timeout](SqliteStoreBuilder::with_timeout). Reading waits for nobody. There are no copies: a
///   revocation counts for every process at once.
/// - A file that is locked, full, read-only or damaged is an error within the timeout, 500 ms by
///   default.
///
/// Files on network file systems have no locks that SQLite can rely on: do not put it there.
/// [`migrate`](Self::migrate) makes the tables.
///
/// Cloning is cheap and shares the store. Needs a tokio runtime.
///
/// ```
/// use tower_didt::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("didt-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("sessions.db");
/// # let path = path.display();
/// let store = SqliteStore::open(format!("sqlite:{path}"))?;
/// store.migrate().await?;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    writer: SqlitePool,
    readers: SqlitePool,
    schema: Schema,
    sql: Statements,
    timeout: Duration,
}

impl SqliteStore {
    /// A store with default settings in the file of a `sqlite:` URL, which is made if it does not
    /// exist. See [`SqliteStoreBuilder::open`].
    ///
    /// # Errors
    ///
    /// [`SqliteConfigError`] if the URL is not that of a file, or there is no tokio runtime.
    pub fn open(url: impl Into<String>) -> Result<Self, SqliteConfigError> {
        Self::builder(url).open()
    }

    /// A store with default settings whose file is ready.
    ///
    /// # Errors
    ///
    /// [`SqliteConnectError`] if the URL is not that of a file, or the file cannot be used.
    pub async fn connect(url: impl Into<String>) -> Result<Self, SqliteConnectError> {
        Self::builder(url).connect().await
    }

    /// Settings of a store in a file of its own: `sqlite:sessions.db`, `sqlite:/var/lib/sessions.db`.
    pub fn builder(url: impl Into<String>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::of_url(url.into())
    }

    /// Settings of a store that asks by connections of your pool, which should have a write-ahead
    /// log (`SqliteJournalMode::Wal`), `SqliteSynchronous::Full` and a busy timeout below the
    /// store's [timeout](SqliteStoreBuilder::with_timeout).
    pub fn with_pool(pool: SqlitePool) -> SqliteStoreBuilder {
        SqliteStoreBuilder::of_pool(pool)
    }

    /// Makes the tables, or brings them to the version that this crate needs. Does nothing where they
    /// have it. Several processes may call this at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it is not done within 60 seconds. Nothing was changed then.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        within(MIGRATION_TIMEOUT, self.0.migrate()).await
    }

    /// Removes rows that nobody needs any more; how many it removed. The store does so by itself at
    /// [regular times](SqliteStoreBuilder::with_cleaning_interval).
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the file cannot be used. What was removed stays removed.
    pub async fn clean_up(&self) -> Result<u64, StoreError> {
        clean(&*self.0).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("timeout", &self.0.timeout).finish_non_exhaustive()
    }
}

impl SessionStore for SqliteStore {
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
        let Some((handle, issuer)) = super::addressed::read_ticket(ticket) else {
            return StoreFuture::ready(Ok(None));
        };
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

impl SqliteStore {
    /// An answer out of the file, or an error when its time is over.
    fn answer<T, F>(&self, ask: impl FnOnce(Arc<Inner>) -> F) -> StoreFuture<T>
    where
        F: Future<Output = Result<T, Fault>> + Send + 'static,
        T: 'static,
    {
        let limit = self.0.timeout;
        // Boxed at once: it would move several times before it runs.
        let asking = Box::pin(ask(Arc::clone(&self.0)));
        StoreFuture::boxed(within(limit, asking))
    }
}

async fn within<T>(
    limit: Duration,
    asking: impl Future<Output = Result<T, Fault>>,
) -> Result<T, StoreError> {
    let silence = || Fault::unavailable(format!("no answer within {} ms", limit.as_millis()));
    Ok(timeout(limit, asking).await.unwrap_or_else(|_| Err(silence()))?)
}

async fn change_by<T>(
    lease: &mut Lease,
    change: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let connection = lease.0.as_mut().ok_or(sqlx::Error::PoolClosed)?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let outcome = change(&mut transaction).await?;
    transaction.commit().await?;
    Ok(outcome)
}

/// The connection that writes. Dropped before it is [kept](Self::keep), it is closed: some errors
/// end a transaction by themselves, and what the connection believes of it is wrong afterwards.
struct Lease(Option<PoolConnection<Sqlite>>);

impl Lease {
    /// Gives the connection back for others to use.
    fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// What a token is, and what there is of its issuer.
struct Standing {
    state: TokenState,
    revocations: i64,
    ended: i64,
}

impl Inner {
    /// Changes something, in one transaction. Where `change` fails nothing has changed.
    async fn change<T>(
        &self,
        change: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, Fault> {
        let changing = async {
            let mut lease = Lease(Some(self.writer.acquire().await?));
            let outcome = change_by(&mut lease, change).await;
            // Where another writer was in the way, nothing has begun.
            if outcome.as_ref().err().is_none_or(fault::is_lock) {
                lease.keep();
            }
            outcome
        };
        changing.await.map_err(|error| fault::read(&error))
    }

    async fn standing(
        &self,
        file: &mut SqliteConnection,
        token: &TokenMark,
    ) -> Result<Standing, sqlx::Error> {
        let issuer = token.issuer.address();
        let known: Option<(i64, Option<f64>, i64)> = sqlx::query_as(self.sql.issuer.clone())
            .bind(&issuer.as_bytes()[..])
            .fetch_optional(&mut *file)
            .await?;
        let (revocations, until, ended) = known.unwrap_or((0, None, -1));
        let mark: Option<(i64, i64)> = sqlx::query_as(self.sql.token.clone())
            .bind(&token.digest.as_bytes()[..])
            .fetch_optional(&mut *file)
            .await?;
        let is_revoked = until.is_some_and(|until| token.issued_at.as_secs_f64() <= until)
            || mark.is_some_and(|(_, made)| made < revocations);
        let state = match mark {
            _ if is_revoked => TokenState::Revoked,
            Some((used, _)) if used != 0 => TokenState::Used,
            _ => TokenState::New,
        };
        Ok(Standing { state, revocations, ended })
    }

    /// Marks a token that is new as used, and says what it was.
    async fn use_token(
        &self,
        file: &mut SqliteConnection,
        token: &TokenMark,
        now: Timestamp,
    ) -> Result<Standing, sqlx::Error> {
        let mut standing = self.standing(file, token).await?;
        if standing.state != TokenState::New {
            return Ok(standing);
        }
        let marked = sqlx::query(self.sql.use_token.clone())
            .bind(&token.digest.as_bytes()[..])
            .bind(standing.revocations)
            .bind(forget_after(kept::until(token.usable_until, now)))
            .execute(file)
            .await?;
        if marked.rows_affected() == 0 {
            standing.state = TokenState::Used;
        }
        Ok(standing)
    }

    async fn mint(&self, session: NewSession, now: Timestamp) -> Result<Minted, Fault> {
        let NewSession { token, expires_at, data, replaces, limit } = session;
        let (id, handle) = Ticket::random().map_err(|_| Fault::NoRandomness)?;
        let record = SessionRecord::new(handle, token.issuer, now, expires_at, data);
        let state = self
            .change(async |file| {
                let Standing { state, ended, .. } = self.use_token(file, &token, now).await?;
                if state != TokenState::New {
                    return Ok(state);
                }
                if let Some((issuer, handle)) = replaces {
                    self.remove(file, issuer, handle).await?;
                }
                if let Some(max) = limit.max() {
                    self.make_room(file, token.issuer, ended, max, now).await?;
                }
                self.add(file, &record, ended, now).await?;
                Ok(state)
            })
            .await?;
        match state {
            TokenState::New => {
                let ticket = super::addressed::ticket(&id, token.issuer);
                Ok(Minted::Session { ticket, record: Arc::new(record) })
            }
            refused => Ok(Minted::refused(refused)),
        }
    }

    /// Ends the oldest sessions until one more is within the limit, a bounded number at a time.
    async fn make_room(
        &self,
        file: &mut SqliteConnection,
        issuer: Issuer,
        ended: i64,
        max: NonZeroUsize,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let issuer = issuer.address();
        sqlx::query(self.sql.expired.clone())
            .bind(&issuer.as_bytes()[..])
            .bind(ended)
            .bind(LOOKED_AT_FOR_EXPIRED)
            .bind(now.as_secs_f64())
            .execute(&mut *file)
            .await?;
        let line: Option<(i64,)> = sqlx::query_as(self.sql.line.clone())
            .bind(&issuer.as_bytes()[..])
            .bind(ended)
            .bind(i64::try_from(max.get() - 1).unwrap_or(i64::MAX))
            .fetch_optional(&mut *file)
            .await?;
        let Some((line,)) = line else { return Ok(()) };
        sqlx::query(self.sql.make_room.clone())
            .bind(&issuer.as_bytes()[..])
            .bind(ended)
            .bind(line)
            .bind(MAX_ENDED_PER_MINT as i64)
            .execute(file)
            .await?;
        Ok(())
    }

    async fn add(
        &self,
        file: &mut SqliteConnection,
        record: &SessionRecord,
        ended: i64,
        now: Timestamp,
    ) -> Result<(), sqlx::Error> {
        let issuer = record.issuer.address();
        let last = self.last_number(file, record.issuer).await?;
        let number = place_of(now).max(last.max(ended).saturating_add(1));
        sqlx::query(self.sql.mint.clone())
            .bind(&record.handle.as_bytes()[..])
            .bind(&issuer.as_bytes()[..])
            .bind(number)
            .bind(now.as_secs_f64())
            .bind(record.expires_at.as_secs_f64())
            .bind(record.data.text())
            .bind(forget_after(kept::until(record.expires_at, now)))
            .execute(file)
            .await?;
        Ok(())
    }

    /// The number of an issuer's latest session, -1 if there is none.
    async fn last_number(
        &self,
        file: &mut SqliteConnection,
        issuer: Issuer,
    ) -> Result<i64, sqlx::Error> {
        let (last,): (Option<i64>,) = sqlx::query_as(self.sql.last.clone())
            .bind(&issuer.address().as_bytes()[..])
            .fetch_one(file)
            .await?;
        Ok(last.unwrap_or(-1))
    }

    async fn claim(&self, token: &TokenMark, now: Timestamp) -> Result<TokenState, Fault> {
        self.change(async |file| Ok(self.use_token(file, token, now).await?.state)).await
    }

    async fn state_of(&self, token: &TokenMark, now: Timestamp) -> Result<TokenState, Fault> {
        if !kept::is_young(token.issued_at, now) {
            let standing = async {
                let mut file = self.readers.begin().await?;
                self.standing(&mut file, token).await
            };
            return Ok(standing.await.map_err(|error| fault::read(&error))?.state);
        }
        self.change(async |file| {
            let standing = self.standing(file, token).await?;
            if standing.state == TokenState::New {
                sqlx::query(self.sql.see_token.clone())
                    .bind(&token.digest.as_bytes()[..])
                    .bind(standing.revocations)
                    .bind(forget_after(kept::until(token.usable_until, now)))
                    .execute(file)
                    .await?;
            }
            Ok(standing.state)
        })
        .await
    }

    async fn advance(&self, token: &TokenMark, now: Timestamp) -> Result<bool, Fault> {
        let issuer = token.issuer.address();
        // The holder's clock may run ahead. What is noted does not, or a single
        // token from the future would lock out those of the present.
        let note = token.issued_at.min(now).as_secs_f64();
        self.change(async |file| {
            let known: Option<(Option<f64>,)> = sqlx::query_as(self.sql.newest.clone())
                .bind(&issuer.as_bytes()[..])
                .fetch_optional(&mut *file)
                .await?;
            let newest = known.and_then(|(newest,)| newest);
            if newest.is_some_and(|newest| token.issued_at.as_secs_f64() < newest) {
                return Ok(false);
            }
            if newest.is_none_or(|newest| newest < note) {
                sqlx::query(self.sql.advance.clone())
                    .bind(&issuer.as_bytes()[..])
                    .bind(note)
                    .bind(forget_after(kept::newest(token.usable_until, now)))
                    .execute(file)
                    .await?;
            }
            Ok(true)
        })
        .await
    }

    async fn load(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<Arc<SessionRecord>>, Fault> {
        let row = sqlx::query(self.sql.load.clone())
            .bind(&handle.as_bytes()[..])
            .bind(&issuer.address().as_bytes()[..])
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| fault::read(&error))?;
        let Some(row) = row else { return Ok(None) };
        match read_row(&row)?.read(issuer, handle) {
            Ok(record) => Ok(Some(Arc::new(record))),
            // Its cookie is about to be taken away, so it ends: no version that can read it may
            // accept the cookie afterwards.
            Err(unreadable) => {
                trace::unreadable(issuer, Some(handle), &unreadable);
                self.revoke(issuer, handle).await?;
                Err(unreadable)
            }
        }
    }

    async fn touch(
        &self,
        issuer: Issuer,
        handle: SessionHandle,
        now: Timestamp,
    ) -> Result<Touched, Fault> {
        self.change(async |file| {
            sqlx::query(self.sql.touch.clone())
                .bind(&handle.as_bytes()[..])
                .bind(&issuer.address().as_bytes()[..])
                .bind(now.as_secs_f64())
                .execute(file)
                .await
        })
        .await?;
        Ok(Touched::default())
    }

    async fn update_data(
        &self,
        read: &SessionRecord,
        data: &SessionData,
    ) -> Result<DataUpdate, Fault> {
        let (issuer, handle) = (read.issuer, read.handle);
        let changed = self
            .change(async |file| {
                sqlx::query(self.sql.update_data.clone())
                    .bind(&handle.as_bytes()[..])
                    .bind(&issuer.address().as_bytes()[..])
                    .bind(read.data.text())
                    .bind(data.text())
                    .execute(file)
                    .await
            })
            .await?;
        if changed.rows_affected() > 0 {
            return Ok(DataUpdate::stored());
        }
        let current = self.load(issuer, handle).await?;
        Ok(current.map_or(DataUpdate::Ended, |current| DataUpdate::conflict(Some(current))))
    }

    async fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, Fault> {
        self.change(async |file| {
            let Some(number) = self.remove(file, issuer, handle).await? else { return Ok(false) };
            let known: Option<(i64, Option<f64>, i64)> = sqlx::query_as(self.sql.issuer.clone())
                .bind(&issuer.address().as_bytes()[..])
                .fetch_optional(file)
                .await?;
            Ok(known.is_none_or(|(_, _, ended)| number > ended))
        })
        .await
    }

    /// Removes a session's row; the number that it had.
    async fn remove(
        &self,
        file: &mut SqliteConnection,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Option<i64>, sqlx::Error> {
        let removed: Option<(i64,)> = sqlx::query_as(self.sql.revoke.clone())
            .bind(&handle.as_bytes()[..])
            .bind(&issuer.address().as_bytes()[..])
            .fetch_optional(file)
            .await?;
        Ok(removed.map(|(number,)| number))
    }

    async fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> Result<(), Fault> {
        self.change(async |file| {
            let last = self.last_number(file, issuer).await?;
            let address = issuer.address();
            let (ended,): (i64,) = sqlx::query_as(self.sql.revoke_all.clone())
                .bind(&address.as_bytes()[..])
                .bind((clock() * 1e6) as i64)
                .bind(now.as_secs_f64())
                .bind(last)
                .bind(forget_after(kept::revoked(now)))
                .fetch_one(&mut *file)
                .await?;
            let removed = sqlx::query(self.sql.remove_ended.clone())
                .bind(&address.as_bytes()[..])
                .bind(ended)
                .bind(REMOVED_AT_ONCE)
                .execute(&mut *file)
                .await?;
            if removed.rows_affected() >= REMOVED_AT_ONCE.unsigned_abs().into() {
                self.note_leftover(file, address.as_bytes(), true).await?;
            }
            Ok(())
        })
        .await
    }

    async fn note_leftover(
        &self,
        file: &mut SqliteConnection,
        issuer: &[u8],
        leftover: bool,
    ) -> Result<(), sqlx::Error> {
        let note = sqlx::query(self.sql.note_leftover.clone()).bind(issuer).bind(leftover);
        note.execute(file).await.map(drop)
    }

    async fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> Result<SessionPage, Fault> {
        let after = page.cursor().map(|cursor| i64::try_from(cursor.as_u64()).unwrap_or(i64::MAX));
        let rows = sqlx::query(self.sql.list.clone())
            .bind(&issuer.address().as_bytes()[..])
            .bind(after.unwrap_or(-1))
            // One more than asked for, to know whether there is a next page.
            .bind(page.size().saturating_add(1) as i64)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| fault::read(&error))?;
        let read = |row: &SqliteRow| -> Result<_, Fault> {
            let handle: Vec<u8> = column(row, "handle")?;
            let record = match <[u8; 32]>::try_from(handle.as_slice()) {
                Ok(handle) => read_row(row)?.read(issuer, SessionHandle::from_bytes(handle)),
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
        let rows = sqlx::query_as(self.sql.issuers.clone())
            .bind(after)
            .bind(ISSUERS_LOOKED_AT)
            .fetch_all(&self.readers)
            .await
            .map_err(|error| fault::read(&error))?;
        issuers_of(rows)
    }

    async fn ready(&self) -> Result<(), StoreError> {
        within(self.timeout, self.ask_whether_ready()).await
    }

    /// Takes the lock for writing, and changes nothing.
    async fn ask_whether_ready(&self) -> Result<(), Fault> {
        let (version,): (Option<i64>,) = self
            .change(async |file| {
                // A file that may only be read lets a transaction begin.
                sqlx::query(self.sql.try_to_write.clone()).execute(&mut *file).await?;
                sqlx::query_as(self.sql.version.clone()).fetch_one(file).await
            })
            .await?;
        match version >= Some(schema::NEWEST) {
            true => Ok(()),
            false => Err(Fault::unavailable("the tables are old ones: run their migrations")),
        }
    }

    async fn clean(&self, rows: i64) -> Result<u64, StoreError> {
        let cleaning = self.change(async |file| {
            let mut removed = 0;
            for sql in [&self.sql.forget_tokens, &self.sql.forget_sessions] {
                let forget = sqlx::query(sql.clone()).bind(clock()).bind(rows);
                removed += forget.execute(&mut *file).await?.rows_affected();
            }
            let leftover: Option<(Vec<u8>, i64)> =
                sqlx::query_as(self.sql.leftover.clone()).fetch_optional(&mut *file).await?;
            if let Some((issuer, ended)) = leftover {
                let remove = sqlx::query(self.sql.remove_ended.clone());
                let remove = remove.bind(&issuer[..]).bind(ended).bind(rows);
                let count = remove.execute(&mut *file).await?.rows_affected();
                if count < rows.unsigned_abs() {
                    self.note_leftover(file, &issuer, false).await?;
                }
                removed += count;
            }
            let forget = sqlx::query(self.sql.forget_issuers.clone()).bind(clock()).bind(rows);
            Ok(removed + forget.execute(&mut *file).await?.rows_affected())
        });
        within(self.timeout, cleaning).await
    }

    async fn migrate(&self) -> Result<(), Fault> {
        self.change(async |file| {
            let run = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
            file.execute(run(self.schema.beginning())).await?;
            let (version,): (Option<i64>,) =
                sqlx::query_as(self.schema.version()).fetch_one(&mut *file).await?;
            for step in self.schema.steps_after(version.unwrap_or(0)) {
                file.execute(run(step)).await?;
            }
            Ok(())
        })
        .await
    }
}

/// The time of this machine. Rows are removed by it, whatever time callers go by.
fn clock() -> f64 {
    Timestamp::from(SystemTime::now()).as_secs_f64()
}

/// When a row may be removed that matters for so long.
fn forget_after(span: Duration) -> f64 {
    clock() + seconds(span)
}

fn read_row(row: &SqliteRow) -> Result<Row, Fault> {
    Ok(Row {
        created_at: column(row, "created_at")?,
        last_seen: column(row, "last_seen")?,
        expires_at: column(row, "expires_at")?,
        data: column(row, "data")?,
    })
}

fn column<'r, T>(row: &'r SqliteRow, name: &str) -> Result<T, Fault>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(name).map_err(|_| Fault::unexpected())
}
