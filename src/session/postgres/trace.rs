//! What operators see of the connection that changes are told on. Only this file knows whether the
//! features `tracing` and `metrics` are on.

use std::error::Error;

use crate::did::Issuer;
use crate::session::sql::Fault;
use crate::session::{SessionHandle, StoreError};

pub(super) fn connected() {
    #[cfg(feature = "tracing")]
    tracing::info!("PostgreSQL tells of changes");
}

pub(super) fn disconnected(fault: &Fault, was_connected: bool) {
    #[cfg(feature = "tracing")]
    if was_connected {
        tracing::warn!(reason = %fault, "PostgreSQL no longer tells of changes");
    } else {
        tracing::debug!(reason = %fault, "PostgreSQL tells of no changes");
    }
    let _ = (fault, was_connected);
}

/// Whether answers are copied: 1 or 0.
pub(super) fn copies_in_use(in_use: bool) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("didt_postgres_local_copies").set(if in_use { 1.0 } else { 0.0 });
    let _ = in_use;
}

/// A session in PostgreSQL that can never be read. Its handle leads to the row, and opens nothing.
pub(super) fn unreadable(issuer: Issuer, handle: Option<SessionHandle>, reason: &Fault) {
    #[cfg(feature = "tracing")]
    tracing::error!(%issuer, ?handle, %reason, "a session in PostgreSQL is unreadable");
    #[cfg(feature = "metrics")]
    metrics::counter!("didt_postgres_unreadable_total").increment(1);
    let _ = (issuer, handle, reason);
}

/// Rows that were removed in the background.
pub(super) fn cleaned(rows: u64) {
    #[cfg(feature = "tracing")]
    tracing::debug!(rows, "removed rows that are no longer needed from PostgreSQL");
    let _ = rows;
}

/// Cleaning that failed. It is tried again later.
pub(super) fn not_cleaned(error: &StoreError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason = error.source(), "PostgreSQL could not be cleaned");
    let _ = error.source();
}
