//! What a response does to the session cookie.

use http::HeaderValue;

/// What the response says about the session cookie.
#[derive(Debug, PartialEq)]
pub(super) enum CookieChange {
    Keep,
    Set(HeaderValue),
    Clear,
}

impl CookieChange {
    /// The word for it in traces.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Keep => "kept",
            Self::Set(_) => "set",
            Self::Clear => "cleared",
        }
    }
}
