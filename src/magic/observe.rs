//! What operators see of calls to Magic: how many, how long, how often they were spared. Nothing in
//! it is a secret key or says anything of a person but the issuer.
//!
//! Only this file of the folder knows whether the features `tracing` and `metrics` are on.

use super::MagicError;
use crate::did::Issuer;
use crate::stopwatch::Stopwatch;

/// A call ended.
pub(super) fn called(call: &'static str, started: Stopwatch, error: Option<&MagicError>) {
    let outcome = error.map_or("ok", MagicError::name);

    #[cfg(feature = "metrics")]
    {
        metrics::counter!("didt_magic_calls_total", "call" => call, "outcome" => outcome)
            .increment(1);
        metrics::histogram!("didt_magic_call_seconds", "call" => call, "outcome" => outcome)
            .record(started.elapsed());
    }

    #[cfg(feature = "tracing")]
    match error {
        None | Some(MagicError::NoSuchUser) => tracing::debug!(call, outcome, "magic"),
        Some(error) => tracing::warn!(call, outcome, %error, "magic failed"),
    }
    let _ = (call, started, outcome);
}

/// A look-up was answered: `fresh`, `stale` or `unknown` out of the cache, `asked` or `failed`
/// after waiting.
pub(super) fn looked_up(answer: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!("didt_magic_lookups_total", "answer" => answer).increment(1);
    let _ = answer;
}

/// Magic's answer about a user has changed.
pub(super) fn changed(issuer: Issuer, gone: bool) {
    #[cfg(feature = "tracing")]
    tracing::info!(%issuer, gone, "magic user changed");
    let _ = (issuer, gone);
}
