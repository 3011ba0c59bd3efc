//! The servers that run, and how each is ended.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::warn;

use super::signals::Signals;
use crate::serve::server::{Server, Stopper};

/// The servers that run, by their names.
#[derive(Default)]
pub(super) struct Servers(JoinSet<&'static str>);

impl Servers {
    pub(super) fn begin(&mut self, server: Server, stopper: &Stopper) {
        let (name, stop) = (server.name, stopper.stop());
        self.0.spawn(async move {
            server.serve(stop).await;
            name
        });
    }

    /// Ends one: what is in flight may be finished within this time, unless there is another
    /// signal.
    pub(super) async fn end(
        &mut self,
        name: &'static str,
        stopper: &Stopper,
        signals: &mut Signals,
        limit: Duration,
    ) {
        stopper.finish();
        let finished = tokio::select! {
            biased;
            () = self.end_of(Some(name)) => true,
            () = signals.stop() => {
                warn!("second signal: dropping requests in flight");
                false
            }
            () = sleep(limit) => {
                warn!(listener = name, "the shutdown timeout passed with requests still in flight");
                false
            }
        };
        stopper.end();
        if !finished {
            self.end_of(Some(name)).await;
        }
    }

    /// Waits until this one has ended, or any of them. One that has panicked takes the process
    /// along: half a server is worse than one that is started again.
    pub(super) async fn end_of(&mut self, wanted: Option<&'static str>) {
        while let Some(ended) = self.0.join_next().await {
            match ended {
                Ok(name) if wanted.is_none_or(|wanted| wanted == name) => return,
                Ok(_) => {}
                Err(error) => {
                    if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    }
                }
            }
        }
    }
}
