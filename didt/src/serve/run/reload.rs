//! SIGHUP: what is read again, beside everything else. A file may be on a disk that does not
//! answer, and signals are heard meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::serve::server::Tls;
use crate::serve::systemd;

/// For files to be read. They are small; where they take longer, their disk does not answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is read again when the operator asks for it.
#[derive(Debug)]
pub(super) struct Reload {
    tls: Option<Arc<Tls>>,
    /// One at most.
    reading: JoinSet<()>,
    /// Asked for once more while it was being read.
    again: bool,
}

impl Reload {
    pub(super) fn new(tls: Option<Arc<Tls>>) -> Self {
        Self { tls, reading: JoinSet::new(), again: false }
    }

    /// Begins to read, and waits for nothing.
    pub(super) fn begin(&mut self) {
        let Some(tls) = &self.tls else {
            warn!(
                "SIGHUP changed nothing: there is no certificate to read again, and settings are read \
                 when the program starts"
            );
            return systemd::nothing_reloaded();
        };
        if !self.reading.is_empty() {
            self.again = true;
            return;
        }
        systemd::reloading();
        self.reading.spawn(read(Arc::clone(tls)));
    }

    /// Waits until something that was begun is done.
    pub(super) async fn done(&mut self) {
        if self.reading.join_next().await.is_none() {
            return std::future::pending().await;
        }
        systemd::ready();
        if std::mem::take(&mut self.again) {
            self.begin();
        }
    }
}

async fn read(tls: Arc<Tls>) {
    match timeout(PATIENCE, spawn_blocking(move || tls.reload())).await {
        Ok(Ok(Ok(()))) => info!("certificate reloaded"),
        Ok(Ok(Err(error))) => error!(%error, "keeping the old certificate"),
        Ok(Err(error)) => error!(%error, "keeping the old certificate"),
        Err(_) => error!("keeping the old certificate: its files could not be read in time"),
    }
}
