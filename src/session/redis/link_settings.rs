//! What it takes to keep a connection up, and which server is the master by the Sentinels' word.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::endpoint::{Endpoint, SharedDialer};
use super::fault::Fault;
use super::keys::Keys;
use super::ownership::Ownership;
use super::sentinels::Sentinels;
use crate::session::copies::{Invalidations, Rhythm};

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
    pub(super) async fn master(&self) -> Result<Option<Endpoint>, Fault> {
        match &self.sentinels {
            Some(sentinels) => sentinels.master(self.rhythm.timeout).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes sure that the Sentinels have no other master: the old one may not know yet.
    pub(super) async fn is_still_master(&self, endpoint: &Endpoint) -> Result<(), Fault> {
        match self.master().await? {
            Some(master) if master != *endpoint => {
                Err(Fault::unavailable(format!("the Sentinels name another master, {master}")))
            }
            _ => Ok(()),
        }
    }

    /// Does `work` with a master until the Sentinels name another: a server that says nothing is waited for
    /// only as long as it is the master.
    pub(super) async fn while_master<T>(
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
