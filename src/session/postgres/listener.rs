//! One connection on which PostgreSQL tells what changed (`LISTEN`), kept up.
//!
//! A transaction that changes sessions tells every listener before its own caller hears that it is
//! done: the signal to a listener's process is sent by then, and such a process passes on what it
//! was told before it answers a question. So an answer to a question proves that all word up to that
//! question has arrived. A question is asked at regular times, and copies are used only for so long
//! after a question that was answered: a server that is paused or out of reach cannot keep a revoked
//! session alive by its silence.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connections::Connections;
use super::fault;
use super::trace;
use crate::did::Address;
use crate::session::copies::{Invalidations, Pauses, Reporter, Reports, Rhythm};
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
    /// When the keeper last ran, in nanoseconds since `epoch`.
    ran_at: AtomicU64,
    /// Which server reports changes.
    server: AtomicI64,
    keeper: Mutex<Keeper>,
    fault: Mutex<Option<Fault>>,
}

/// The task that keeps the connection up. Whatever it changes, it changes under the lock, and
/// only while it is the current one.
#[derive(Debug, Default)]
struct Keeper {
    task: Option<JoinHandle<()>>,
    number: u64,
    closed: bool,
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
        let listener = Arc::new(Self {
            settings,
            epoch: Instant::now(),
            reports,
            ran_at: AtomicU64::new(0),
            server: AtomicI64::new(0),
            keeper: Mutex::default(),
            fault: Mutex::default(),
        });
        listener.keep_on(runtime);
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
        let idle = {
            let keeper = locked(&self.keeper);
            let since =
                self.nanos(Instant::now()).saturating_sub(self.ran_at.load(Ordering::Acquire));
            let still = Duration::from_nanos(since) > self.settings.rhythm.standstill();
            let ended = keeper.task.as_ref().is_some_and(JoinHandle::is_finished);
            !keeper.closed && (still || ended)
        };
        if idle && let Ok(runtime) = Handle::try_current() {
            self.keep_on(&runtime);
        }
    }

    /// Starts a new task that keeps the connection up, in the place of any other.
    fn keep_on(self: &Arc<Self>, runtime: &Handle) {
        let mut keeper = locked(&self.keeper);
        keeper.number += 1;
        self.ran_at.store(self.nanos(Instant::now()), Ordering::Release);
        self.hang_up();
        let keeping = keep_up(Arc::clone(self), keeper.number);
        let old = keeper.task.replace(runtime.spawn(keeping));
        drop(keeper);
        if let Some(old) = old {
            old.abort();
        }
    }

    /// Ends the connection for good.
    pub(super) fn close(&self) {
        let mut keeper = locked(&self.keeper);
        keeper.closed = true;
        keeper.number += 1;
        self.hang_up();
        let task = keeper.task.take();
        drop(keeper);
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Runs `change` if this is the current keeper.
    fn as_keeper(&self, number: u64, change: impl FnOnce()) {
        let keeper = locked(&self.keeper);
        if keeper.number == number {
            change();
        }
    }

    /// From now on no copy is good.
    fn hang_up(&self) {
        self.server.store(0, Ordering::Release);
        if self.reports.lost() {
            self.settings.connections.forget_idle();
        }
        trace::copies_in_use(false);
    }

    fn nanos(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
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

/// The end of a keeper, also when its runtime ends: nobody hears of changes any more.
struct Keeping {
    listener: Arc<Listener>,
    number: u64,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let listener = &self.listener;
        listener.as_keeper(self.number, || {
            let reason = "the tokio runtime that kept the connection has ended";
            *locked(&listener.fault) = Some(Fault::unavailable(reason));
            listener.hang_up();
        });
    }
}

/// Connects, again and again, and notes that it runs.
async fn keep_up(listener: Arc<Listener>, number: u64) {
    let keeping = Keeping { listener, number };
    let listener = &keeping.listener;
    let mut connecting = pin!(connect_for_ever(listener, number));
    std::future::poll_fn(|cx| {
        listener.ran_at.store(listener.nanos(Instant::now()), Ordering::Release);
        connecting.as_mut().poll(cx)
    })
    .await;
}

async fn connect_for_ever(listener: &Arc<Listener>, number: u64) {
    let mut pauses = Pauses::new();
    loop {
        let was_up = AtomicBool::new(false);
        let fault = match stay_up(listener, number, &was_up).await {
            Err(fault) => fault,
            Ok(never) => match never {},
        };
        let was_up = was_up.into_inner();
        trace::disconnected(&fault, was_up);
        listener.as_keeper(number, || {
            *locked(&listener.fault) = Some(fault);
            listener.hang_up();
        });
        sleep(pauses.random(was_up)).await;
    }
}

/// Connects, listens, and asks at regular times whether all is well.
async fn stay_up(
    listener: &Listener,
    number: u64,
    was_up: &AtomicBool,
) -> Result<Infallible, Fault> {
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
        listener.as_keeper(number, || {
            was_up.store(true, Ordering::Relaxed);
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
