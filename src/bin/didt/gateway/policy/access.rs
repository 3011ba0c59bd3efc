//! What a rule asks of whoever is calling.

use std::time::Duration;

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody passes; credentials are not even looked at.
    Public,
    /// Everybody passes, known or not; bad credentials do not.
    Optional,
    /// A session or a token.
    Required,
    /// A session younger than this. A token alone is none.
    Fresh(Duration),
}
