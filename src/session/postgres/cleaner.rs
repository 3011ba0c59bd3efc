//! Removes what nobody needs any more, a little at a time.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Inner, trace};
use crate::session::StoreError;
use crate::session::sql::{CLEANED_AT_ONCE, MAX_CLEANING_STEPS};

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

/// Cleans at regular times, until the store is gone.
pub(super) async fn clean_for_ever(store: Weak<Inner>, interval: Duration) {
    loop {
        sleep(interval).await;
        let Some(store) = store.upgrade() else { return };
        match clean(&store).await {
            Ok(0) => {}
            Ok(rows) => trace::cleaned(rows),
            Err(fault) => trace::not_cleaned(&fault),
        }
    }
}

/// Cleans step by step until nothing is left to remove; how many rows it removed. After each step it
/// pauses for as long as the step took, so that it takes at most half of a server's time.
pub(super) async fn clean(store: &Inner) -> Result<u64, StoreError> {
    let (mut rows, mut progress) = (0, Progress::none());
    for _ in 0..MAX_CLEANING_STEPS {
        let begin = Instant::now();
        let removed = store.clean(STEP_TIMEOUT, CLEANED_AT_ONCE, &mut progress).await?;
        rows += removed;
        if removed == 0 {
            break;
        }
        sleep(begin.elapsed()).await;
    }
    Ok(rows)
}
