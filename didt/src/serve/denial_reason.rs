//! Why a request was denied, for the client: one word in a header, which passes every gateway, as the
//! body does not.

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_didt::Rejection;

/// The header. Its words are those of [`of`], and [`FRESH_LOGIN_REQUIRED`].
pub(crate) const HEADER: HeaderName = HeaderName::from_static("x-auth-reason");

/// The session is good, and older than the rule allows.
pub(crate) const FRESH_LOGIN_REQUIRED: &str = "fresh_login_required";

/// The word for a rejection: for wrong times, and for a token that its sender has used, or has put out
/// of use. Whether a proof, an audience or a session is right stays unsaid.
pub(crate) fn of(rejection: &Rejection) -> Option<&'static str> {
    match rejection {
        Rejection::TokenUsed | Rejection::TokenSuperseded | Rejection::TokenRevoked => {
            Some(rejection.name())
        }
        _ => rejection.reason_for_client(),
    }
}

/// Says the word, where there is one that helps an honest client and no attacker.
pub(crate) fn write(headers: &mut HeaderMap, word: Option<&'static str>) {
    if let Some(word) = word {
        headers.insert(HEADER, HeaderValue::from_static(word));
    }
}
