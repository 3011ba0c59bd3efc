//! Errors of session stores.

use std::fmt;

/// Any error, boxed.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store could not answer.
///
/// To a client that is a 503, come back later; or, where coming back is of no
/// use ([`is_permanent`](Self::is_permanent)), a 500.
#[non_exhaustive]
#[derive(Debug)]
pub enum StoreError {
    /// The store cannot be reached, or did not answer in time.
    Unavailable(BoxError),
    /// What the store holds cannot be read, now or later: it is damaged, or a newer version
    /// wrote it. Where a session was asked for, the layer takes it for lost.
    Corrupt(BoxError),
    /// The operating system's random number generator failed.
    Randomness,
    /// The session takes more room than this store has for one. No token was used up.
    TooLarge {
        /// What the session takes, in bytes.
        size: usize,
        /// What it may take.
        limit: usize,
    },
    /// This kind of store does not know which sessions an issuer has (see
    /// [`SessionStore::lists_sessions`](super::SessionStore::lists_sessions)), or cannot change what
    /// is attached to one (see [`SessionStore::update_data`](super::SessionStore::update_data)).
    /// Nothing was changed.
    Unsupported,
    /// This store remembers nothing (see
    /// [`SessionStore::remembers`](super::SessionStore::remembers)): with it no replay mode works
    /// that has to know which tokens came before, and signing out everywhere ends nothing.
    Forgetful,
}

impl StoreError {
    /// Whether the same request would fail again: the fault is
    /// in the request, not in the state of the store.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        matches!(self, Self::TooLarge { .. } | Self::Unsupported | Self::Forgetful)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(_) => f.write_str("the session store is unavailable"),
            Self::Corrupt(_) => f.write_str("the session store holds data that cannot be read"),
            Self::Randomness => {
                f.write_str("the operating system's random number generator failed")
            }
            Self::TooLarge { size, limit } => {
                write!(f, "the session takes {size} bytes, but its store allows {limit}")
            }
            Self::Unsupported => f.write_str(
                "the session store does not support this: listing, counting or changing sessions",
            ),
            Self::Forgetful => {
                f.write_str("the session store remembers nothing, and this takes one that does")
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(source) | Self::Corrupt(source) => Some(source.as_ref()),
            Self::Randomness | Self::TooLarge { .. } | Self::Unsupported | Self::Forgetful => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn what_asking_again_cannot_help_is_permanent_and_what_others_caused_has_a_source() {
        let cause = || BoxError::from("the cause");
        let rows = [
            (StoreError::Unavailable(cause()), false, true),
            (StoreError::Corrupt(cause()), false, true),
            (StoreError::Randomness, false, false),
            (StoreError::TooLarge { size: 2, limit: 1 }, true, false),
            (StoreError::Unsupported, true, false),
        ];
        for (error, permanent, caused) in rows {
            assert_eq!(error.is_permanent(), permanent, "{error:?}");
            let source = error.source().map(ToString::to_string);
            assert_eq!(source.as_deref(), caused.then_some("the cause"), "{error:?}");
        }
    }
}
