//! What a rule asks of the caller.

use std::fmt;
use std::time::Duration;

/// What a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone passes; credentials are ignored.
    Public,
    /// Everyone passes, signed in or not; invalid credentials are refused.
    Optional,
    /// A session or a token.
    Required,
    /// A session younger than this. A token without a session is not enough.
    Fresh(Duration),
}

impl Access {
    /// Whether only signed-in callers pass.
    pub(crate) const fn asks_for_somebody(self) -> bool {
        matches!(self, Self::Required | Self::Fresh(_))
    }

    /// The word for it in the policy file and in logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Fresh(_) => "fresh",
        }
    }
}

/// A phrase for people.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("nothing (public)"),
            Self::Optional => {
                f.write_str("optional: anyone passes; invalid credentials are refused")
            }
            Self::Required => f.write_str("a session or a token (required)"),
            Self::Fresh(age) => {
                write!(f, "a session younger than {} (fresh)", humantime::format_duration(*age))
            }
        }
    }
}
