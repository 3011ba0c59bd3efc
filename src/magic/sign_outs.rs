//! How many sign-outs are passed on to Magic at a time.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::error::{MagicError, Unavailable};
use crate::did::Issuer;

/// How many calls may be under way at a time. Anybody can sign in with a new key and sign out again,
/// and every call is a connection and counts toward Magic's rate limit.
const MAX_CALLS: usize = 16;

/// How many issuers may be signed out at a time, those included that wait for a call.
const MAX_ISSUERS: usize = 1024;

/// The sign-outs under way: one for each issuer.
#[derive(Debug)]
pub(super) struct SignOuts {
    calls: Semaphore,
    issuers: Mutex<HashSet<Issuer>>,
}

impl Default for SignOuts {
    fn default() -> Self {
        Self { calls: Semaphore::new(MAX_CALLS), issuers: Mutex::default() }
    }
}

impl SignOuts {
    /// Makes a call as soon as there is a place for it, unless one for the same issuer is under
    /// way. Waits for a place no longer than `patience`.
    pub(super) async fn pass_on(
        &self,
        issuer: Issuer,
        patience: Duration,
        call: impl Future<Output = Result<(), MagicError>>,
    ) -> Result<(), MagicError> {
        let busy = || MagicError::Unavailable(Unavailable::Busy);
        let _under_way = self.enter(issuer).ok_or_else(busy)?;
        match timeout(patience, self.calls.acquire()).await {
            Ok(Ok(_place)) => call.await,
            _ => Err(busy()),
        }
    }

    fn enter(&self, issuer: Issuer) -> Option<UnderWay<'_>> {
        let mut issuers = self.issuers();
        (issuers.len() < MAX_ISSUERS && issuers.insert(issuer))
            .then(|| UnderWay { all: self, issuer })
    }

    /// Nothing inside of it can panic.
    fn issuers(&self) -> MutexGuard<'_, HashSet<Issuer>> {
        self.issuers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room again, however the sign-out ends.
struct UnderWay<'a> {
    all: &'a SignOuts,
    issuer: Issuer,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.all.issuers().remove(&self.issuer);
    }
}
