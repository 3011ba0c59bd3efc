//! One connection to one server, kept up.
//!
//! A connection carries commands and, between them, notices of changes. Both come in
//! the order in which the server acted, so an answer to a question proves that
//! all word up to that question has arrived. A question is asked at regular
//! times, and copies are used only for so long after a question that was
//! answered: a server that is paused or out of reach cannot keep a revoked
//! session alive by its silence.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::endpoint::{Endpoint, driven};
use super::fault::Fault;
use super::link_settings::LinkSettings;
use super::ownership::Ownership;
use super::{questions, trace};
use crate::session::copies::{Keeper, Kept, Reporter, Reports, Term};
use crate::sync::locked;

/// How often a task that waits for a connection checks that it is being made.
const RECHECK: Duration = Duration::from_millis(20);

/// How many look-ups of sessions may be on their way to one server. Of two hundred machines whose copies are
/// all gone a server then has 12,800 at most to answer: well within what a request waits for. Others wait
/// here, where they can be given up. It bounds no machine in a network where answers take a
/// millisecond: 64,000 a second.
const MAX_LOOKUPS: usize = 64;

/// A connection that is maintained until this is dropped.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: Arc<Line>,
}

impl Link {
    pub(super) fn new(endpoint: Endpoint, settings: LinkSettings, runtime: &Handle) -> Self {
        let line = Arc::new(Line::new(endpoint, settings));
        Keeper::start(&line, runtime);
        Self { line }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        Keeper::close(&*self.line);
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
    epoch: Instant,
    keeper: Keeper,
    /// Why the connection failed.
    fault: Mutex<Fault>,
    /// The refusal for which the server serves without local copies.
    refusal: Mutex<Option<Fault>>,
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
        let keeper = Keeper::new(settings.rhythm);
        Self {
            endpoint,
            settings,
            connection: watch::Sender::new(None),
            reports,
            epoch: Instant::now(),
            keeper,
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
        if !Keeper::is_kept(self) {
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
            if !Keeper::is_kept(self) {
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
        self.keeper.is_of_another_runtime()
    }

    /// The refusal that rules out local copies of this server's data.
    pub(super) fn refusal(&self) -> Option<Fault> {
        locked(&self.refusal).clone()
    }
}

#[cfg(test)]
impl Line {
    pub(super) fn silent() -> Self {
        let settings = LinkSettings {
            dialer: super::endpoint::Dialer::for_tests(),
            keys: super::keys::Keys::new("didt").expect("a prefix"),
            invalidations: Arc::new(crate::session::copies::Invalidations::new(0, 0)),
            tracking: true,
            ownership: None,
            sentinels: None,
            rhythm: crate::session::copies::Rhythm {
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

impl Kept for Line {
    type Fault = Fault;

    fn fault_of(reason: &'static str) -> Fault {
        Fault::unavailable(reason)
    }

    fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    async fn stay_up(&self, term: &Term<'_>) -> Result<Infallible, Fault> {
        serve(self, term).await
    }

    fn report(&self, fault: &Fault, was_up: bool) {
        trace::disconnected(&self.endpoint, fault, was_up);
    }

    fn note(&self, fault: Fault) {
        *locked(&self.fault) = fault;
        self.settings.lost.notify_one();
    }

    fn hang_up(&self) {
        self.reports.lost();
        if let Some(ownership) = &self.settings.ownership {
            ownership.forget(&self.endpoint);
        }
        self.connection.send_replace(None);
    }
}

/// Connects, and asks at regular times whether all is well.
async fn serve(line: &Line, term: &Term<'_>) -> Result<Infallible, Fault> {
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
            let tracking = questions::track(&mut connection);
            refusal = timeout(patience, tracking).await.map_err(|_| silent())??;
        }
        loop {
            let asked = Instant::now();
            let checking = async {
                settings.is_still_master(&endpoint).await?;
                questions::check_role(&mut connection, settings.ownership.is_some()).await?;
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
            term.is_up(|| {
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

/// Asks a master of a cluster how it sees the slots. Returns the refusal, if it refuses: without an
/// answer nothing that it says may be copied.
async fn look_around(
    connection: &mut MultiplexedConnection,
    line: &Line,
    ownership: &Ownership,
) -> Result<Option<Fault>, Fault> {
    match questions::view(connection).await? {
        Ok(view) => {
            if ownership.report(&line.endpoint, view) {
                line.settings.lost.notify_one();
            }
            Ok(None)
        }
        Err(refusal) => Ok(Some(refusal)),
    }
}
