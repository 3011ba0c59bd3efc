//! One connection to one server, kept up.
//!
//! A connection carries commands and, in between, word of changes. Both come in
//! the order in which the server acted, so an answer to a question proves that
//! all word up to that question has arrived. A question is asked at regular
//! times, and copies are used only for so long after a question that was
//! answered: a server that is paused or out of reach cannot keep a revoked
//! session alive by its silence.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::changes::Changes;
use super::endpoint::{Endpoint, SharedDialer, driven};
use super::fault::Fault;
use super::keys::Keys;
use super::trace;

/// How long to wait before connecting again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// What keeping a connection up takes.
#[derive(Clone, Debug)]
pub(super) struct Care {
    pub(super) dialer: SharedDialer,
    pub(super) keys: Keys,
    pub(super) changes: Arc<Changes>,
    /// Whether Redis is to tell of changes.
    pub(super) tracking: bool,
    /// Whether the server has to be in good standing with a cluster.
    pub(super) cluster: bool,
    pub(super) timeout: Duration,
    pub(super) ping_interval: Duration,
    /// Woken up when a connection is lost, or cannot be made.
    pub(super) lost: Arc<Notify>,
}

impl Care {
    /// For how long after a question the copies are good, once it was answered.
    fn trust(&self) -> Duration {
        self.ping_interval + self.timeout
    }

    /// After how long without an answer the connection is given up. Longer than a
    /// request waits: a server that pauses for a moment needs no new connections.
    pub(super) fn patience(&self) -> Duration {
        (4 * self.timeout).max(Duration::from_secs(1))
    }
}

/// A connection that is kept up until this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: Arc<Line>,
    changes: Arc<Changes>,
    keeper: JoinHandle<()>,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, care: Care, runtime: &Handle) -> Self {
        let line = Arc::new(Line::new(endpoint));
        let changes = Arc::clone(&care.changes);
        let keeper = runtime.spawn(keep_up(Arc::clone(&line), care));
        Self { line, changes, keeper }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.keeper.abort();
        self.line.hang_up(&self.changes);
    }
}

/// What others see of a link.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) endpoint: Endpoint,
    connection: watch::Sender<Option<MultiplexedConnection>>,
    /// Until when copies are good, in nanoseconds since `epoch`.
    trusted_until: AtomicU64,
    epoch: Instant,
    /// Why there is no connection.
    fault: Mutex<Fault>,
}

impl Line {
    fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            connection: watch::Sender::new(None),
            trusted_until: AtomicU64::new(0),
            epoch: Instant::now(),
            fault: Mutex::new(Fault::unavailable("not connected yet")),
        }
    }

    /// Whether word of a change would have arrived: within the time that a
    /// question was answered, give or take.
    pub(super) fn would_have_told(&self) -> bool {
        self.nanos(Instant::now()) < self.trusted_until.load(Ordering::Acquire)
    }

    /// The connection, once there is one. Waits for ever: give it a time limit.
    pub(super) async fn connection(&self) -> MultiplexedConnection {
        if let Some(connection) = &*self.connection.borrow() {
            return connection.clone();
        }
        let mut changes = self.connection.subscribe();
        loop {
            if let Some(connection) = &*changes.borrow_and_update() {
                return connection.clone();
            }
            // The sender is this line's own, so it is there.
            let _ = changes.changed().await;
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn fault(&self) -> Option<Fault> {
        if self.connection.borrow().is_some() {
            return None;
        }
        Some(self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn pick_up(&self, connection: MultiplexedConnection, changes: &Changes) {
        changes.of_all();
        self.connection.send_replace(Some(connection));
    }

    /// From now on nothing read by this connection is good.
    fn hang_up(&self, changes: &Changes) {
        self.trusted_until.store(0, Ordering::Release);
        changes.of_all();
        self.connection.send_replace(None);
    }

    fn trust_until(&self, time: Instant) {
        self.trusted_until.store(self.nanos(time), Ordering::Release);
    }

    fn nanos(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
impl Line {
    pub(super) fn silent() -> Self {
        Self::new(Endpoint::Tcp { host: "localhost".to_owned(), port: 1 })
    }

    pub(super) fn answering() -> Self {
        let line = Self::silent();
        line.trust_until(Instant::now() + Duration::from_secs(60));
        line
    }
}

/// Connects, again and again.
async fn keep_up(line: Arc<Line>, care: Care) {
    let mut pause = FIRST_PAUSE;
    loop {
        let was_up = AtomicBool::new(false);
        let fault = match stay_up(&line, &care, &was_up).await {
            Err(fault) => fault,
            Ok(never) => match never {},
        };
        if was_up.load(Ordering::Relaxed) {
            pause = FIRST_PAUSE;
        }
        trace::disconnected(&line.endpoint, &fault, was_up.load(Ordering::Relaxed));
        *line.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        line.hang_up(&care.changes);
        care.lost.notify_one();
        sleep(pause).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// Connects, and asks at regular times whether all is well.
async fn stay_up(line: &Line, care: &Care, was_up: &AtomicBool) -> Result<Infallible, Fault> {
    let silent = || Fault::unavailable("Redis does not answer");
    let (keys, changes) = (care.keys.clone(), Arc::clone(&care.changes));
    let dialing = care.dialer.dial(&line.endpoint, move |word| changes.hear(&keys, &word));
    let (mut connection, driver) =
        timeout(care.patience(), dialing).await.unwrap_or_else(|_| Err(silent()))?;
    driven(driver, async {
        if care.tracking {
            let mut tracking = redis::cmd("CLIENT");
            tracking.arg("TRACKING").arg("ON");
            let tracking = tracking.query_async::<()>(&mut connection);
            timeout(care.patience(), tracking).await.map_err(|_| silent())??;
        }
        loop {
            let asked = Instant::now();
            let standing = standing(&mut connection, care.cluster);
            timeout(care.patience(), standing).await.unwrap_or_else(|_| Err(silent()))?;
            if !was_up.swap(true, Ordering::Relaxed) {
                line.pick_up(connection.clone(), &care.changes);
                trace::connected(&line.endpoint);
            }
            line.trust_until(asked + care.trust());
            sleep_until(asked + care.ping_interval).await;
        }
    })
    .await
}

/// Makes sure that the server may be believed: a replica lags behind its master and
/// would find sessions that were revoked; so would a master that a cluster has
/// left behind, until it notices.
///
/// `HELLO` serves as the ping: it tells the role, and no ACL can forbid it.
pub(super) async fn standing(
    connection: &mut MultiplexedConnection,
    cluster: bool,
) -> Result<(), Fault> {
    let mut questions = Pipeline::new();
    questions.cmd("HELLO").arg(3);
    if cluster {
        questions.cmd("CLUSTER").arg("INFO");
    }
    let answers: Vec<Value> = questions.query_async(connection).await?;
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

/// A string, in whichever form it came.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}
