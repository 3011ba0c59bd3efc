//! What operators see: an event per decision and per change to a session, counters and
//! latencies. Nothing in them is a token, a cookie or a session id.
//!
//! Only this folder knows whether the features `tracing` and `metrics` are on.

#[cfg(any(feature = "tracing", feature = "metrics"))]
mod store;

use std::sync::Arc;

use super::{Rejection, Session};
use crate::did::{Audiences, TokenError, VerifiedClaim};
use crate::session::{SessionStore, StoreError};
use crate::stopwatch::Stopwatch;

/// A layer was configured. Says so once if no token can have its audience.
pub(super) fn configured(audiences: &Audiences) {
    #[cfg(feature = "tracing")]
    if let Err(fault) = audiences.check() {
        tracing::error!(%fault, "tokens are refused: the audience cannot be a client id");
    }
    let _ = audiences;
}

/// Runs the part of a decision that is made at once, in its own span.
pub(super) fn deciding<T>(decide: impl FnOnce() -> T) -> T {
    #[cfg(feature = "tracing")]
    return tracing::debug_span!("decide").in_scope(decide);
    #[cfg(not(feature = "tracing"))]
    decide()
}

/// The part of a decision that has to be waited for stays in the span that it began in.
pub(super) fn waiting<F: Future>(decision: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "tracing")]
    return tracing::Instrument::in_current_span(decision);
    #[cfg(not(feature = "tracing"))]
    decision
}

/// A request was decided upon. `cookie` says what became of the session cookie.
///
/// It is counted once its answer is known: a guard or a handler may still refuse it.
pub(super) fn decided(
    verdict: &Result<Option<Session>, Rejection>,
    cookie: &'static str,
) -> Outcome {
    let outcome = match verdict {
        Ok(Some(session)) if session.handle().is_some() => "session",
        Ok(Some(_)) => "token",
        Ok(None) => "anonymous",
        Err(rejection) => rejection.name(),
    };

    #[cfg(feature = "tracing")]
    match verdict {
        Ok(Some(session)) => {
            tracing::debug!(outcome, issuer = %session.issuer(), cookie, "passed");
        }
        Ok(None) => tracing::debug!(outcome, cookie, "passed"),
        // Every visit begins so: it is in the counter, and no line of a log each.
        Err(rejection @ Rejection::MissingCredentials) => {
            tracing::debug!(outcome, reason = %rejection, cookie, "rejected");
        }
        Err(rejection) => {
            tracing::info!(outcome, reason = %rejection, cookie, "rejected");
        }
    }
    let _ = cookie;
    Outcome(Some(outcome))
}

/// A guard or a handler further in refused a request that had passed.
pub(super) fn refused_further_in(rejection: &Rejection, session: Option<&Session>) {
    #[cfg(feature = "tracing")]
    {
        let issuer = session.map(|session| tracing::field::display(session.issuer()));
        tracing::info!(outcome = rejection.name(), reason = %rejection, issuer, "refused");
    }
    let _ = (rejection, session);
}

/// How a request ends. Counted once, also where nobody waits for the answer.
pub(super) struct Outcome(Option<&'static str>);

impl Outcome {
    /// The request was refused after all.
    pub(super) fn refused(&mut self, rejection: &Rejection) {
        if let Some(outcome) = &mut self.0 {
            *outcome = rejection.name();
        }
    }

    /// The answer is known.
    pub(super) fn count(&mut self) {
        if let Some(outcome) = self.0.take() {
            #[cfg(feature = "metrics")]
            metrics::counter!("didt_requests_total", "outcome" => outcome).increment(1);
            let _ = outcome;
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.count();
    }
}

/// A token was looked at.
pub(super) fn verified(
    started: Stopwatch,
    seen_before: bool,
    result: &Result<VerifiedClaim, TokenError>,
) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(
        "didt_verify_seconds",
        "cache" => if seen_before { "hit" } else { "miss" },
        "outcome" => result.as_ref().map_or_else(TokenError::name, |_| "accepted"),
    )
    .record(started.elapsed());

    #[cfg(feature = "tracing")]
    match result {
        Ok(claim) => tracing::trace!(issuer = %claim.issuer(), seen_before, "verified"),
        Err(error) => tracing::debug!(%error, code = error.code(), seen_before, "not verified"),
    }
    let _ = (started, seen_before, result);
}

/// A session is alive, but its use could not be written down.
pub(super) fn refresh_failed(error: &StoreError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "the session's last use could not be stored");
    let _ = error;
}

/// Wraps a store so that its calls are counted, timed and logged.
pub(super) fn store(store: Arc<dyn SessionStore>) -> Arc<dyn SessionStore> {
    #[cfg(any(feature = "tracing", feature = "metrics"))]
    return Arc::new(store::Observed(store));
    #[cfg(not(any(feature = "tracing", feature = "metrics")))]
    store
}
