//! What a reload would change, for administrators who look before they reload.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::config::{Changes, Given, Invalid, Loaded};
use super::sites::Sites;

/// For the files to be read. They are small; where they take longer, their disk does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Finds the settings as they are given now.
pub(crate) type Reader = Arc<dyn Fn() -> Result<Given, Invalid> + Send + Sync>;

/// Says what is wrong with settings that are well-formed.
pub(crate) type Check = fn(&Sites<Loaded>) -> Result<(), String>;

/// Reads the settings again for administrators, one at a time: a disk that does not answer holds one thread.
#[derive(Clone)]
pub(crate) struct Rereading {
    reader: Reader,
    check: Check,
    one: Arc<Semaphore>,
}

impl Rereading {
    pub(crate) fn new(reader: Reader, check: Check) -> Self {
        Self { reader, check, one: Arc::new(Semaphore::new(1)) }
    }

    /// Compares with these settings, as they were given and as they were read.
    pub(crate) fn against(&self, given: &Given, loaded: &Sites<Loaded>) -> Preview {
        Preview { rereading: self.clone(), given: given.clone(), loaded: loaded.clone() }
    }
}

impl fmt::Debug for Rereading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rereading").finish_non_exhaustive()
    }
}

/// The settings that are served, beside those that a reload would find.
#[derive(Clone, Debug)]
pub(crate) struct Preview {
    rereading: Rereading,
    given: Given,
    loaded: Sites<Loaded>,
}

/// Why it cannot be said what a reload would change.
#[derive(Debug)]
pub(crate) enum NoPreview {
    /// The reload would be refused.
    Invalid(String),
    /// Somebody else is looking, or files are not read in time.
    Busy,
}

impl Preview {
    /// Changes nothing. Magic and the store are not asked, as a reload would where they are new.
    pub(crate) async fn look(&self) -> Result<Changes, NoPreview> {
        let Ok(permit) = Arc::clone(&self.rereading.one).try_acquire_owned() else {
            return Err(NoPreview::Busy);
        };
        let Self { rereading, given, loaded } = self.clone();
        let reading = spawn_blocking(move || {
            let _until_here = permit;
            let invalid = |invalid: Invalid| invalid.to_string();
            let new = (rereading.reader)().map_err(invalid)?;
            let (served, changes) = new.load_after(&given, &loaded).map_err(invalid)?;
            (rereading.check)(&served)?;
            Ok(changes)
        });
        match timeout(PATIENCE, reading).await {
            Ok(Ok(read)) => read.map_err(NoPreview::Invalid),
            Ok(Err(_)) | Err(_) => Err(NoPreview::Busy),
        }
    }
}
