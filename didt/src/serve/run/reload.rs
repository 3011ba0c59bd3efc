//! SIGHUP: the settings are read again, beside everything else, and take effect as a whole or not at all.
//!
//! ```text
//! SIGHUP ─► begin ─► read and check (a thread that may wait for disks) ─► assemble ─► done: replace
//!                         └──────────────── refused: all stays ◄───────────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{Instrument, error, info, warn};

use super::generation::{Around, Generation, Later, Served};
use super::{Reader, store, warnings};
use crate::serve::config::{Change, Config};
use crate::serve::log::Level;
use crate::serve::server::Current;
use crate::serve::{systemd, trace};

/// For files to be read, and for Magic and Redis to answer where they are new. Files are small; where
/// they take longer, their disk does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many changes a line of the log names; `didt check-config --diff` shows all.
const MAX_NAMED: usize = 20;

/// Where generations are served.
pub(super) struct Listeners {
    pub(super) public: Current,
    pub(super) private: Option<Current>,
}

/// Reads the settings again when the operator asks for it.
pub(super) struct Reload {
    reader: Reader,
    generation: Arc<Generation>,
    around: Around,
    listeners: Listeners,
    level: Level,
    /// One at most.
    reading: JoinSet<Result<Outcome, String>>,
    /// Whether a thread still waits for a disk, of a reload that was given up.
    waiting: Arc<AtomicBool>,
    /// Asked for once more while it was being read: a storm of signals is one reload more.
    again: bool,
    /// Looks at Redis.
    looking: JoinSet<()>,
}

/// What a reading of good settings came to.
enum Outcome {
    Unchanged { needs_restart: Vec<String> },
    Next { next: Box<(Generation, Served)>, changed: Vec<String>, needs_restart: Vec<String> },
}

impl Reload {
    /// Begins with the first generation.
    pub(super) fn new(
        reader: Reader,
        generation: Generation,
        around: Around,
        listeners: Listeners,
        level: Level,
    ) -> Self {
        let mut reload = Self {
            reader,
            generation: Arc::new(generation),
            around,
            listeners,
            level,
            reading: JoinSet::new(),
            waiting: Arc::default(),
            again: false,
            looking: JoinSet::new(),
        };
        metrics::gauge!("didt_config_last_reload_successful").set(1.0);
        reload.look(true);
        reload
    }

    /// What is served now.
    pub(super) fn config(&self) -> &Config {
        self.generation.config()
    }

    /// Begins to read, and waits for nothing.
    pub(super) fn begin(&mut self) {
        if !self.reading.is_empty() {
            self.again = true;
            return;
        }
        systemd::reloading();
        let (reader, generation) = (Arc::clone(&self.reader), Arc::clone(&self.generation));
        let (around, waiting) = (self.around.clone(), Arc::clone(&self.waiting));
        self.reading.spawn(async move {
            let prepared = timeout(PATIENCE, prepare(reader, generation, around, waiting)).await;
            prepared
                .unwrap_or_else(|_| Err("files, Magic or Redis do not answer in time".to_owned()))
        });
    }

    /// Waits until something that was begun is done, and serves what it came to.
    pub(super) async fn done(&mut self) {
        let Some(ended) = self.reading.join_next().await else {
            return std::future::pending().await;
        };
        match ended.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(Outcome::Unchanged { needs_restart }) => {
                count("unchanged", true);
                info!("reload: nothing changed");
                name_pending(&needs_restart);
            }
            Ok(Outcome::Next { next, changed, needs_restart }) => {
                self.serve(*next);
                count("applied", true);
                let generation = self.generation.number;
                let changed = changed.join(", ");
                info!(generation, changed, "settings reloaded");
                name_pending(&needs_restart);
            }
            Err(error) => {
                count("refused", false);
                error!(error, "reload refused, keeping the current settings");
            }
        }
        systemd::ready();
        if std::mem::take(&mut self.again) {
            self.begin();
        }
    }

    fn serve(&mut self, (generation, served): (Generation, Served)) {
        let new_store = generation.has_new_store(&self.generation);
        self.level.set(generation.config().log.level);
        self.generation = Arc::new(generation);
        self.listeners.public.replace(served.public);
        if let (Some(listener), Some(serving)) = (&self.listeners.private, served.private) {
            listener.replace(serving);
        }
        self.look(new_store);
    }

    /// Warns of what is probably unintended, and counts the generation.
    fn look(&mut self, new_store: bool) {
        #[expect(clippy::cast_precision_loss, reason = "no process is told to reload 2^52 times")]
        metrics::gauge!("didt_config_generation").set(self.generation.number as f64);
        warnings::of_settings(self.generation.config());
        if new_store {
            self.looking.abort_all();
            for (site, client) in self.generation.clients() {
                self.looking.spawn(store::prepare(client).instrument(trace::site(site)));
            }
        }
    }
}

/// Everything that takes time. Nothing of it is served before it is complete.
async fn prepare(
    reader: Reader,
    generation: Arc<Generation>,
    around: Around,
    waiting: Arc<AtomicBool>,
) -> Result<Outcome, String> {
    let waiting = Waiting::begin(waiting)?;
    let before = Arc::clone(&generation);
    let read = spawn_blocking(move || {
        let _until_here = waiting;
        let given = reader().map_err(|invalid| invalid.to_string());
        given.and_then(|given| before.read_again(given))
    });
    let later: Later = read.await.map_err(|error| error.to_string())??;
    let needs_restart = later.needs_restart.clone();
    if later.changes.is_empty() {
        return Ok(Outcome::Unchanged { needs_restart });
    }
    let changed = later.changes.iter().take(MAX_NAMED).map(Change::name);
    let changed = changed.collect();
    let next = generation.next(later, &around).await.map_err(|error| error.to_string())?;
    Ok(Outcome::Next { next: Box::new(next), changed, needs_restart })
}

/// A thread that may wait for a disk, for ever: there is no more than one.
struct Waiting(Arc<AtomicBool>);

impl Waiting {
    fn begin(waiting: Arc<AtomicBool>) -> Result<Self, String> {
        match waiting.swap(true, Ordering::AcqRel) {
            true => Err("the files of an earlier reload are still being read".to_owned()),
            false => Ok(Self(waiting)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

fn count(outcome: &'static str, successful: bool) {
    metrics::counter!("didt_config_reloads_total", "outcome" => outcome).increment(1);
    let successful = if successful { 1.0 } else { 0.0 };
    metrics::gauge!("didt_config_last_reload_successful").set(successful);
}

/// What was read, is good, and is served by the next process.
fn name_pending(needs_restart: &[String]) {
    if !needs_restart.is_empty() {
        let settings = needs_restart.join(", ");
        warn!(settings, "these settings changed and take effect after a restart");
    }
}
