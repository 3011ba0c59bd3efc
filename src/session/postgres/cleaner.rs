//! One step of removing what nobody needs any more.

use std::time::Duration;

use super::{Inner, trace};
use crate::session::StoreError;
use crate::session::sql::Clean;

/// How long one step may take. Longer than a request: nobody waits for it.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

/// How far a round has come in each table: what the next step need not look at again.
#[derive(Debug)]
pub(super) struct Progress {
    /// Seconds since the Unix epoch: rows that could be forgotten before are removed.
    pub(super) tokens: f64,
    pub(super) sessions: f64,
    pub(super) issuers: f64,
    /// An issuer that has signed out everywhere; its sessions up to this number are removed.
    pub(super) issuer: Vec<u8>,
    pub(super) number: i64,
}

impl Progress {
    const fn none() -> Self {
        let first = f64::NEG_INFINITY;
        Self { tokens: first, sessions: first, issuers: first, issuer: Vec::new(), number: -1 }
    }
}

impl Clean for Inner {
    type Progress = Progress;

    fn begin() -> Progress {
        Progress::none()
    }

    async fn step(&self, rows: i32, progress: &mut Progress) -> Result<u64, StoreError> {
        self.clean(STEP_TIMEOUT, rows, progress).await
    }

    fn report(outcome: Result<u64, &StoreError>) {
        match outcome {
            Ok(rows) => trace::cleaned(rows),
            Err(fault) => trace::not_cleaned(fault),
        }
    }
}
