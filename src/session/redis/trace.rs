//! What operators see of the connections. Only this file knows whether the
//! features `tracing` and `metrics` are on.

use super::endpoint::Endpoint;
use super::fault::Fault;
use crate::did::Issuer;
use crate::session::SessionHandle;

#[cfg(feature = "tracing")]
pub(super) fn connected(endpoint: &Endpoint) {
    tracing::info!(redis = %endpoint, "connected");
}

#[cfg(feature = "tracing")]
pub(super) fn disconnected(endpoint: &Endpoint, fault: &Fault, was_connected: bool) {
    if was_connected {
        tracing::warn!(redis = %endpoint, reason = %fault, "connection lost");
    } else {
        tracing::debug!(redis = %endpoint, reason = %fault, "no connection");
    }
}

/// A refusal that costs the local copies of a server, and nothing else.
#[cfg(feature = "tracing")]
pub(super) fn without_copies(endpoint: &Endpoint, refusal: &Fault) {
    tracing::warn!(
        redis = %endpoint,
        reason = %refusal,
        "working without local copies: every request with a session asks Redis"
    );
}

/// A session in Redis that can never be read. Its handle leads to the record, and opens nothing.
pub(super) fn unreadable(issuer: Issuer, handle: SessionHandle, reason: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(%issuer, %handle, reason, "a session in Redis is unreadable");
    #[cfg(feature = "metrics")]
    metrics::counter!("didt_redis_unreadable_total").increment(1);
    let _ = (issuer, handle, reason);
}

/// Whether answers of a server are copied: 1 or 0.
#[cfg(feature = "metrics")]
pub(super) fn copies_in_use(endpoint: &Endpoint, in_use: bool) {
    metrics::gauge!("didt_redis_local_copies", "server" => endpoint.to_string()).set(if in_use {
        1.0
    } else {
        0.0
    });
}

#[cfg(not(feature = "metrics"))]
pub(super) const fn copies_in_use(_: &Endpoint, _: bool) {}

#[cfg(not(feature = "tracing"))]
pub(super) const fn without_copies(_: &Endpoint, _: &Fault) {}

#[cfg(not(feature = "tracing"))]
pub(super) const fn connected(_: &Endpoint) {}

#[cfg(not(feature = "tracing"))]
pub(super) const fn disconnected(_: &Endpoint, _: &Fault, _: bool) {}
