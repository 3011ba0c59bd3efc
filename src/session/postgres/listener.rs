//! One connection on which PostgreSQL tells what changed (`LISTEN`), kept up.
//!
//! A transaction that changes sessions tells every listener before its own caller hears that it is
//! done: the signal to a listener's process is sent by then, and such a process passes on what it
//! was told before it answers a question. So an answer to a question proves that all word up to that
//! question has arrived. A question is asked at regular times, and copies are used only for so long
//! after a question that was answered: a server that is paused or out of reach cannot keep a revoked
//! session alive by its silence.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use super::connections::Connections;
use super::fault;
use super::trace;
use crate::did::Address;
use crate::session::copies::{Invalidations, Keeper, Kept, Reporter, Reports, Rhythm, Term};
use crate::session::sql::Fault;
use crate::sync::locked;

/// A question to the server by which it proves that it may be believed: a standby lags behind, and
/// would not tell in time. When the server was started tells it from another.
const QUESTION: &str = "SELECT pg_is_in_recovery(), \
    (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text";

/// What it takes to keep the connection up.
#[derive(Debug)]
pub(super) struct ListenerSettings {
    pub(super) connections: Connections,
    pub(super) channel: String,
    pub(super) invalidations: Arc<Invalidations>,
    pub(super) rhythm: Rhythm,
}

/// What others see of the connection.
#[derive(Debug)]
pub(super) struct Listener {
    settings: ListenerSettings,
    epoch: Instant,
    reports: Reports,
    /// Which server reports changes.
    server: AtomicI64,
    keeper: Keeper,
    fault: Mutex<Option<Fault>>,
}

impl Reporter for Listener {
    fn is_trusted(&self) -> bool {
        self.reports.are_trusted(self.epoch.elapsed())
    }

    /// A database has no slots.
    fn owns(&self, slot: u16) -> bool {
        slot == 0
    }
}

impl Listener {
    /// Begins to listen.
    pub(super) fn start(settings: ListenerSettings, runtime: &Handle) -> Arc<Self> {
        let reports = Reports::new(Arc::clone(&settings.invalidations), settings.rhythm);
        let keeper = Keeper::new(settings.rhythm);
        let listener = Arc::new(Self {
            settings,
            epoch: Instant::now(),
            reports,
            server: AtomicI64::new(0),
            keeper,
            fault: Mutex::default(),
        });
        Keeper::start(&listener, runtime);
        listener
    }

    /// Whether this server reports what an answer of that server was about.
    pub(super) fn reports_on(&self, server: i64) -> bool {
        self.server.load(Ordering::Acquire) == server
    }

    /// Why there are no reports, if that is known.
    pub(super) fn fault(&self) -> Option<Fault> {
        locked(&self.fault).clone()
    }

    /// Makes sure that a task keeps the connection up. Where the runtime that did has ended, or
    /// does not run, the caller's takes over.
    pub(super) fn revive(self: &Arc<Self>) {
        // One that is closed is asked for nothing any more.
        let _ = Keeper::is_kept(self);
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        Keeper::close(self);
    }

    /// Applies what was told. What is not understood makes every copy invalid.
    fn apply(&self, payload: &str) {
        let mut address = [0; Address::LEN];
        match hex::decode_to_slice(payload, &mut address) {
            Ok(()) => self.settings.invalidations.of_issuer(Address::from_bytes(address)),
            Err(_) => self.settings.invalidations.all(),
        }
    }
}

impl Kept for Listener {
    type Fault = Fault;

    fn fault_of(reason: &'static str) -> Fault {
        Fault::unavailable(reason)
    }

    fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    async fn stay_up(&self, term: &Term<'_>) -> Result<Infallible, Fault> {
        listen(self, term).await
    }

    fn report(&self, fault: &Fault, was_up: bool) {
        trace::disconnected(fault, was_up);
    }

    fn note(&self, fault: Fault) {
        *locked(&self.fault) = Some(fault);
    }

    fn hang_up(&self) {
        self.server.store(0, Ordering::Release);
        if self.reports.lost() {
            self.settings.connections.forget_idle();
        }
        trace::copies_in_use(false);
    }
}

/// Connects, listens, and asks at regular times whether all is well.
async fn listen(listener: &Listener, term: &Term<'_>) -> Result<Infallible, Fault> {
    let settings = &listener.settings;
    let patience = settings.rhythm.patience();
    let silent = || Fault::unavailable("PostgreSQL does not answer");
    let failed = |error: sqlx::Error| fault::read(&error).0;
    // A pool of this one connection, which never makes a new one without being told.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(patience)
        .connect_lazy_with(settings.connections.options());
    let listening = async {
        let mut line = PgListener::connect_with(&pool).await?;
        line.ignore_pool_close_event(true);
        line.eager_reconnect(false);
        line.listen(&settings.channel).await?;
        Ok(line)
    };
    let mut line = timeout(patience, listening).await.map_err(|_| silent())?.map_err(failed)?;
    loop {
        let asked = Instant::now();
        let asking = sqlx::raw_sql(AssertSqlSafe(QUESTION)).fetch_one(&mut line);
        let answer = timeout(patience, asking).await.map_err(|_| silent())?.map_err(failed)?;
        let server = read_answer(&answer).ok_or_else(Fault::unexpected)??;
        // What was told before the answer comes before what the answer permits.
        while let Some(told) = line.next_buffered() {
            listener.apply(told.payload());
        }
        term.is_up(|| {
            // Before the copies are good: none of another server's may count as one of this.
            listener.server.store(server, Ordering::Release);
            let since = asked.saturating_duration_since(listener.epoch);
            if listener.reports.answered(since, true) {
                *locked(&listener.fault) = None;
                trace::connected();
                trace::copies_in_use(true);
            }
        });
        let next = asked + settings.rhythm.ping_interval;
        // Also where word comes without end: the question is asked when it is due.
        while Instant::now() < next {
            match timeout_at(next, line.try_recv()).await {
                Ok(Ok(Some(told))) => listener.apply(told.payload()),
                Ok(Ok(None)) => return Err(Fault::unavailable("the connection was closed")),
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => break,
            }
        }
    }
}

/// Which server answered, if it may be believed.
fn read_answer(row: &sqlx::postgres::PgRow) -> Option<Result<i64, Fault>> {
    let is_standby: bool = row.try_get(0).ok()?;
    let server: String = row.try_get(1).ok()?;
    if is_standby {
        return Some(Err(Fault::unavailable("the server is a standby")));
    }
    Some(Ok(server.parse().ok()?))
}
