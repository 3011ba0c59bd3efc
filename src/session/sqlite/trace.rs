//! What operators see. Only this file knows whether the features `tracing` and `metrics` are on.

use std::error::Error;

use crate::did::Issuer;
use crate::session::sql::Fault;
use crate::session::{SessionHandle, StoreError};

/// A session in SQLite that can never be read. Its handle leads to the row, and opens nothing.
pub(super) fn unreadable(issuer: Issuer, handle: Option<SessionHandle>, reason: &Fault) {
    #[cfg(feature = "tracing")]
    tracing::error!(%issuer, ?handle, %reason, "a session in SQLite is unreadable");
    #[cfg(feature = "metrics")]
    metrics::counter!("didt_sqlite_unreadable_total").increment(1);
    let _ = (issuer, handle, reason);
}

/// Rows that were removed in the background.
pub(super) fn cleaned(rows: u64) {
    #[cfg(feature = "tracing")]
    tracing::debug!(rows, "removed rows that are no longer needed from SQLite");
    let _ = rows;
}

/// Cleaning that failed. It is tried again later.
pub(super) fn not_cleaned(error: &StoreError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(reason = error.source(), "SQLite could not be cleaned");
    let _ = error.source();
}
