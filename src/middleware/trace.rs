//! What operators see: one event per decision. Nothing in an event is a token, a
//! cookie or a session id.
//!
//! This file alone knows whether the feature `tracing` is on.

use super::gate::CookieChange;
use super::{Rejection, Session};
use crate::StoreError;

#[cfg(feature = "tracing")]
pub(super) fn decided(verdict: &Result<Option<Session>, Rejection>, cookie: &CookieChange) {
    let cookie = match cookie {
        CookieChange::Keep => "kept",
        CookieChange::Set(_) => "set",
        CookieChange::Clear => "cleared",
    };
    match verdict {
        Ok(Some(session)) => {
            tracing::debug!(issuer = %session.issuer(), cookie, "passed");
        }
        Ok(None) => tracing::debug!(cookie, "passed without a session"),
        Err(rejection @ (Rejection::StoreUnavailable(error) | Rejection::StoreUnsuited(error))) => {
            tracing::error!(
                reason = rejection.name(),
                error = %error,
                cause = std::error::Error::source(&**error).map(tracing::field::display),
                "rejected"
            );
        }
        Err(rejection) => {
            tracing::info!(reason = rejection.name(), detail = %rejection, cookie, "rejected");
        }
    }
}

#[cfg(feature = "tracing")]
pub(super) fn refresh_failed(error: &StoreError) {
    tracing::warn!(%error, "the session's last use could not be written down");
}

#[cfg(not(feature = "tracing"))]
pub(super) const fn decided(_: &Result<Option<Session>, Rejection>, _: &CookieChange) {}

#[cfg(not(feature = "tracing"))]
pub(super) const fn refresh_failed(_: &StoreError) {}
