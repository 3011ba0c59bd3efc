//! One connection to one server, kept up.
//!
//! A connection carries commands and, between them, notices of changes. Both come in
//! the order in which the server acted, so an answer to a question proves that
//! all word up to that question has arrived. A question is asked at regular
//! times, and copies are used only for so long after a question that was
//! answered: a server that is paused or out of reach cannot keep a revoked
//! session alive by its silence.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::endpoint::{Endpoint, SharedDialer, driven};
use super::fault::Fault;
use super::keys::Keys;
use super::ownership::{Ownership, View};
use super::reply::text;
use super::sentinels::Sentinels;
use super::trace;
use crate::session::copies::{Invalidations, Pauses, Reporter, Reports, Rhythm};
use crate::sync::locked;

/// How often a task that waits for a connection checks that it is being made.
const RECHECK: Duration = Duration::from_millis(20);

/// How many look-ups of sessions may be on their way to one server. Of two hundred machines whose copies are
/// all gone a server then has 12,800 at most to answer: well within what a request waits for. Others wait
/// here, where they can be given up. It bounds no machine in a network where answers take a
/// millisecond: 64,000 a second.
const MAX_LOOKUPS: usize = 64;

/// What it takes to keep a connection up.
#[derive(Clone, Debug)]
pub(super) struct LinkSettings {
    pub(super) dialer: SharedDialer,
    pub(super) keys: Keys,
    pub(super) invalidations: Arc<Invalidations>,
    /// Whether there are local copies, so that Redis has to report changes.
    pub(super) tracking: bool,
    /// What the masters of a cluster say about its slots; `None` for a single server.
    pub(super) ownership: Option<Arc<Ownership>>,
    /// Who says which server is the master; `None` where the address is fixed.
    pub(super) sentinels: Option<Arc<Sentinels>>,
    pub(super) rhythm: Rhythm,
    /// Woken up when the map of a cluster may be wrong.
    pub(super) lost: Arc<Notify>,
}

impl LinkSettings {
    /// Where the master is, by the word of the Sentinels if there are any.
    async fn master(&self) -> Result<Option<Endpoint>, Fault> {
        match &self.sentinels {
            Some(sentinels) => sentinels.master(self.rhythm.timeout).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes sure that the Sentinels have no other master: the old one may not know yet.
    async fn is_still_master(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        match self.master().await? {
            Some(master) if master != *endpoint => {
                Err(Fault::unavailable(format!("the Sentinels name another master, {master}")))
            }
            _ => Ok(()),
        }
    }

    /// Does `work` with a master until the Sentinels name another: a server that says nothing is waited for
    /// only as long as it is the master.
    async fn while_master<T>(
        &self,
        endpoint: &Endpoint,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let (mut work, mut replaced) = (pin!(work), pin!(self.replaced(endpoint)));
        std::future::poll_fn(|cx| match replaced.as_mut().poll(cx) {
            Poll::Ready(fault) => Poll::Ready(Err(fault)),
            Poll::Pending => work.as_mut().poll(cx),
        })
        .await
    }

    /// Ends when the Sentinels name another master, or cannot be asked.
    async fn replaced(&self, endpoint: &Endpoint) -> Fault {
        if self.sentinels.is_none() {
            std::future::pending::<()>().await;
        }
        loop {
            sleep(self.rhythm.ping_interval).await;
            if let Err(fault) = self.is_still_master(endpoint).await {
                return fault;
            }
        }
    }
}

/// A connection that is maintained until this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: Arc<Line>,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, settings: LinkSettings, runtime: &Handle) -> Self {
        let line = Arc::new(Line::new(endpoint, settings));
        line.keep_on(runtime);
        Self { line }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.line.close();
    }
}

/// A connection that is up.
#[derive(Clone, Debug)]
struct Up {
    connection: MultiplexedConnection,
    /// A place for each look-up that may be on its way.
    lookups: Arc<Semaphore>,
}

/// What others see of a link.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) endpoint: Endpoint,
    settings: LinkSettings,
    connection: watch::Sender<Option<Up>>,
    reports: Reports,
    /// When the keeper last ran, in nanoseconds since `epoch`.
    ran_at: AtomicU64,
    epoch: Instant,
    keeper: Mutex<Keeper>,
    /// Why the connection failed.
    fault: Mutex<Fault>,
    /// The refusal for which the server serves without local copies.
    refusal: Mutex<Option<Fault>>,
}

/// The task that keeps the connection up. Whatever it changes, it changes under the lock, and
/// only while it is the current one.
#[derive(Debug, Default)]
struct Keeper {
    task: Option<JoinHandle<()>>,
    runtime: Option<Id>,
    number: u64,
    closed: bool,
}

impl Reporter for Line {
    fn is_trusted(&self) -> bool {
        self.reports.are_trusted(self.epoch.elapsed())
    }

    /// As far as the whole cluster knows.
    fn owns(&self, slot: u16) -> bool {
        let ownership = self.settings.ownership.as_ref();
        ownership.is_none_or(|ownership| ownership.is_owner(&self.endpoint, slot))
    }
}

impl Line {
    fn new(endpoint: Endpoint, settings: LinkSettings) -> Self {
        let reports = Reports::new(Arc::clone(&settings.invalidations), settings.rhythm);
        Self {
            endpoint,
            settings,
            connection: watch::Sender::new(None),
            reports,
            ran_at: AtomicU64::new(0),
            epoch: Instant::now(),
            keeper: Mutex::default(),
            fault: Mutex::new(Fault::unavailable("not connected yet")),
            refusal: Mutex::new(None),
        }
    }

    /// The connection, once there is one; `None` if the line is closed for good. Waits for
    /// ever: give it a time limit.
    ///
    /// Where the runtime that kept the connection up has ended, or does not run, the runtime
    /// of the caller takes over.
    pub(super) async fn connection(self: &Arc<Self>) -> Option<MultiplexedConnection> {
        Some(self.up().await?.connection)
    }

    /// The connection, as [`connection`](Self::connection), and a place among the
    /// [look-ups](MAX_LOOKUPS) on it, to be held until it has answered.
    pub(super) async fn connection_for_lookup(
        self: &Arc<Self>,
    ) -> Option<(MultiplexedConnection, Option<OwnedSemaphorePermit>)> {
        let Up { connection, lookups } = self.up().await?;
        Some((connection, lookups.acquire_owned().await.ok()))
    }

    async fn up(self: &Arc<Self>) -> Option<Up> {
        if !self.is_kept() {
            return None;
        }
        if let Some(up) = &*self.connection.borrow() {
            return Some(up.clone());
        }
        // Boxed, as all that is large on the way of a question and not always needed.
        Box::pin(self.next()).await
    }

    async fn next(self: &Arc<Self>) -> Option<Up> {
        let mut changes = self.connection.subscribe();
        loop {
            if !self.is_kept() {
                return None;
            }
            if let Some(up) = &*changes.borrow_and_update() {
                return Some(up.clone());
            }
            let _ = timeout(RECHECK, changes.changed()).await;
        }
    }

    /// Whether its server has proved lately that what it says counts.
    pub(super) fn is_believed(&self) -> bool {
        self.reports.is_believed(self.epoch.elapsed())
    }

    /// Why there is no working connection.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.connection.borrow().is_some() {
            return None;
        }
        Some(locked(&self.fault).clone())
    }

    /// Whether another runtime than the caller's moves the bytes.
    pub(super) fn is_of_another_runtime(&self) -> bool {
        let here = Handle::try_current().ok().map(|runtime| runtime.id());
        let there = locked(&self.keeper).runtime;
        there.is_some() && here.is_some() && here != there
    }

    /// The refusal that rules out local copies of this server's data.
    pub(super) fn refusal(&self) -> Option<Fault> {
        locked(&self.refusal).clone()
    }

    /// Makes sure that a task keeps the connection up; `false` if the line is closed.
    fn is_kept(self: &Arc<Self>) -> bool {
        let idle = {
            let keeper = locked(&self.keeper);
            if keeper.closed {
                return false;
            }
            let since =
                self.nanos(Instant::now()).saturating_sub(self.ran_at.load(Ordering::Acquire));
            let still = Duration::from_nanos(since) > self.settings.rhythm.standstill();
            still || keeper.task.as_ref().is_some_and(JoinHandle::is_finished)
        };
        if idle && let Ok(runtime) = Handle::try_current() {
            self.keep_on(&runtime);
        }
        true
    }

    /// Starts a new task that keeps the connection up, in the place of any other.
    fn keep_on(self: &Arc<Self>, runtime: &Handle) {
        let mut keeper = locked(&self.keeper);
        keeper.number += 1;
        self.ran_at.store(self.nanos(Instant::now()), Ordering::Release);
        self.hang_up();
        let keeping = keep_up(Arc::clone(self), keeper.number);
        keeper.runtime = Some(runtime.id());
        let old = keeper.task.replace(runtime.spawn(keeping));
        drop(keeper);
        if let Some(old) = old {
            old.abort();
        }
    }

    fn close(&self) {
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

    /// From now on nothing read by this connection is good.
    fn hang_up(&self) {
        self.reports.lost();
        if let Some(ownership) = &self.settings.ownership {
            ownership.forget(&self.endpoint);
        }
        self.connection.send_replace(None);
    }

    fn nanos(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
impl Line {
    pub(super) fn silent() -> Self {
        let settings = LinkSettings {
            dialer: super::endpoint::Dialer::for_tests(),
            keys: Keys::new("didt").expect("a prefix"),
            invalidations: Arc::new(Invalidations::new(0, 0)),
            tracking: true,
            ownership: None,
            sentinels: None,
            rhythm: Rhythm {
                ping_interval: Duration::from_secs(60),
                timeout: Duration::from_secs(1),
            },
            lost: Arc::default(),
        };
        Self::new(Endpoint::Tcp { host: "localhost".to_owned(), port: 1 }, settings)
    }

    pub(super) fn answering() -> Self {
        let line = Self::silent();
        line.reports.answered(line.epoch.elapsed(), true);
        line
    }
}

/// Ends a keeper, also when its runtime ends, so that nobody uses the connection any more.
struct Keeping {
    line: Arc<Line>,
    number: u64,
}

impl Drop for Keeping {
    fn drop(&mut self) {
        let line = &self.line;
        line.as_keeper(self.number, || {
            *locked(&line.fault) =
                Fault::unavailable("the tokio runtime that kept the connection has ended");
            line.hang_up();
        });
    }
}

/// Connects, again and again, and notes that it runs.
async fn keep_up(line: Arc<Line>, number: u64) {
    let keeping = Keeping { line, number };
    let line = &keeping.line;
    let mut connecting = pin!(connect_for_ever(line, number));
    std::future::poll_fn(|cx| {
        line.ran_at.store(line.nanos(Instant::now()), Ordering::Release);
        connecting.as_mut().poll(cx)
    })
    .await;
}

async fn connect_for_ever(line: &Arc<Line>, number: u64) {
    let mut pauses = Pauses::new();
    loop {
        let was_up = AtomicBool::new(false);
        let fault = match stay_up(line, number, &was_up).await {
            Err(fault) => fault,
            Ok(never) => match never {},
        };
        let was_up = was_up.into_inner();
        trace::disconnected(&line.endpoint, &fault, was_up);
        line.as_keeper(number, || {
            *locked(&line.fault) = fault;
            line.hang_up();
        });
        line.settings.lost.notify_one();
        sleep(pauses.random(was_up)).await;
    }
}

/// Connects, and asks at regular times whether all is well.
async fn stay_up(line: &Line, number: u64, was_up: &AtomicBool) -> Result<Infallible, Fault> {
    let settings = &line.settings;
    let patience = settings.rhythm.patience();
    let silent = || Fault::unavailable("Redis does not answer");
    let (keys, invalidations) = (settings.keys.clone(), Arc::clone(&settings.invalidations));
    let endpoint = settings.master().await?.unwrap_or_else(|| line.endpoint.clone());
    let dialing =
        settings.dialer.dial(&endpoint, move |message| invalidations.apply(&keys, &message));
    let dialing = settings.while_master(&endpoint, dialing);
    let (mut connection, driver) =
        timeout(patience, dialing).await.unwrap_or_else(|_| Err(silent()))?;
    driven(driver, async {
        let mut refusal = None;
        if settings.tracking {
            let tracking = track(&mut connection);
            refusal = timeout(patience, tracking).await.map_err(|_| silent())??;
        }
        loop {
            let asked = Instant::now();
            let checking = async {
                settings.is_still_master(&endpoint).await?;
                check_role(&mut connection, settings.ownership.is_some()).await?;
                match &settings.ownership {
                    Some(ownership) if settings.tracking && refusal.is_none() => {
                        look_around(&mut connection, line, ownership).await
                    }
                    _ => Ok(None),
                }
            };
            let checking = settings.while_master(&endpoint, checking);
            let refused = timeout(patience, checking).await.unwrap_or_else(|_| Err(silent()))?;
            refusal = refusal.or(refused);
            let reporting = settings.tracking && refusal.is_none();
            let since = asked.saturating_duration_since(line.epoch);
            line.refused(refusal.as_ref());
            line.as_keeper(number, || {
                was_up.store(true, Ordering::Relaxed);
                if line.reports.answered(since, reporting) {
                    let lookups = Arc::new(Semaphore::new(MAX_LOOKUPS));
                    line.connection
                        .send_replace(Some(Up { connection: connection.clone(), lookups }));
                    trace::connected(&endpoint);
                }
            });
            sleep_until(asked + settings.rhythm.ping_interval).await;
        }
    })
    .await
}

impl Line {
    /// Notes whether there are local copies, and says so when that changes.
    fn refused(&self, refusal: Option<&Fault>) {
        if !self.settings.tracking {
            return;
        }
        let mut noted = locked(&self.refusal);
        if noted.is_none()
            && let Some(refusal) = refusal
        {
            trace::without_copies(&self.endpoint, refusal);
        }
        *noted = refusal.cloned();
        drop(noted);
        trace::copies_in_use(&self.endpoint, refusal.is_none());
    }
}

/// Asks Redis to report changes. Managed services may refuse: that costs the local copies and
/// nothing else. Returns the refusal.
async fn track(connection: &mut MultiplexedConnection) -> Result<Option<Fault>, Fault> {
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match tracking.query_async::<()>(connection).await {
        Ok(()) => Ok(None),
        Err(error) => refusal("CLIENT TRACKING", &error).map(Some),
    }
}

/// Asks a master of a cluster how it sees the slots. Returns the refusal, if it refuses:
/// without an answer nothing that it says may be copied.
async fn look_around(
    connection: &mut MultiplexedConnection,
    line: &Line,
    ownership: &Ownership,
) -> Result<Option<Fault>, Fault> {
    let mut nodes = redis::cmd("CLUSTER");
    nodes.arg("NODES");
    let answer = match nodes.query_async::<Value>(connection).await {
        Ok(answer) => answer,
        Err(error) => return refusal("CLUSTER NODES", &error).map(Some),
    };
    let Some(view) = text(&answer).and_then(View::read) else {
        let reason = "Redis answered CLUSTER NODES in an unknown form";
        return Ok(Some(Fault::unavailable(reason)));
    };
    if ownership.report(&line.endpoint, view) {
        line.settings.lost.notify_one();
    }
    Ok(None)
}

/// An error by which the server says that it does not know or permit a command; any other one
/// is passed on.
fn refusal(command: &'static str, error: &RedisError) -> Result<Fault, Fault> {
    let fault = Fault::refused(command, error);
    match error.code() {
        Some("ERR" | "NOPERM") => Ok(fault),
        _ => Err(fault),
    }
}

/// Makes sure that the server may be believed: a replica lags behind its master and
/// would find sessions that were revoked; so would a master that a cluster has
/// left behind, until it notices.
///
/// `HELLO` serves as the ping: it reports the role, and no ACL can forbid it.
pub(super) async fn check_role(
    connection: &mut MultiplexedConnection,
    cluster: bool,
) -> Result<(), Fault> {
    let mut questions = Pipeline::new();
    questions.cmd("HELLO").arg(3);
    if cluster {
        questions.cmd("CLUSTER").arg("INFO");
    }
    let command = if cluster { "HELLO or CLUSTER INFO" } else { "HELLO" };
    let answers: Vec<Value> =
        questions.query_async(connection).await.map_err(|error| Fault::refused(command, &error))?;
    let mut answers = answers.iter();
    let role = match answers.next() {
        Some(Value::Map(entries)) => {
            entries.iter().find(|(key, _)| text(key) == Some("role")).and_then(|(_, v)| text(v))
        }
        _ => None,
    };
    match role {
        Some("master") => {}
        Some(_) => return Err(Fault::unavailable("the server is a read-only replica")),
        None => return Err(Fault::unexpected()),
    }
    if cluster {
        let info = answers.next().and_then(text).ok_or_else(Fault::unexpected)?;
        if !info.lines().any(|line| line == "cluster_state:ok") {
            return Err(Fault::unavailable("the cluster is down"));
        }
    }
    Ok(())
}
