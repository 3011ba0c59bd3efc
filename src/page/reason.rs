//! The word that tells the page about a rejection, from a fixed list, so that it can say what to
//! do.

use crate::did::TokenError;
use crate::middleware::Rejection;

/// The word for the page. It says less than [`Rejection::name`], which is for operators.
pub(super) const fn of(rejection: &Rejection) -> &'static str {
    match rejection {
        Rejection::InvalidToken(
            TokenError::Expired { .. } | TokenError::TooOld { .. } | TokenError::NotYetValid { .. },
        ) => "clock",
        Rejection::TokenUsed | Rejection::TokenSuperseded => "used",
        Rejection::UnboundLogin(_) => "challenge",
        Rejection::Refused(_) => "refused",
        Rejection::StoreUnavailable(_) => "unavailable",
        Rejection::CrossOrigin => "cross_origin",
        _ => "not_accepted",
    }
}
