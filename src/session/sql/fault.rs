//! What went wrong, in words that hold no secret.

use std::borrow::Cow;
use std::fmt;

use crate::session::StoreError;

/// Why a database gave no answer, or none that can be read.
///
/// Never the database's own words: they may repeat a value that they are about.
#[derive(Clone, Debug)]
pub(in crate::session) enum Fault {
    /// Nobody answered, or the answer was a refusal.
    Unavailable(Cow<'static, str>),
    /// A row has values that no session has.
    Corrupt(Cow<'static, str>),
    /// The operating system's random number generator failed.
    NoRandomness,
}

impl Fault {
    pub(in crate::session) fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(reason.into())
    }

    pub(in crate::session) fn corrupt(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt(reason.into())
    }

    /// An answer of a kind that a query never gives.
    pub(in crate::session) fn unexpected() -> Self {
        Self::unavailable("the database gave an answer of an unexpected kind")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) | Self::Corrupt(reason) => f.write_str(reason),
            Self::NoRandomness => f.write_str("no random numbers"),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(_) => Self::Unavailable(fault.into()),
            Fault::Corrupt(_) => Self::Corrupt(fault.into()),
            Fault::NoRandomness => Self::Randomness,
        }
    }
}
