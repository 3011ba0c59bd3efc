//! What operators see of the connections. This file alone knows whether the
//! feature `tracing` is on.

use super::endpoint::Endpoint;
use super::fault::Fault;

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

#[cfg(not(feature = "tracing"))]
pub(super) const fn connected(_: &Endpoint) {}

#[cfg(not(feature = "tracing"))]
pub(super) const fn disconnected(_: &Endpoint, _: &Fault, _: bool) {}
