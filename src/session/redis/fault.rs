//! What went wrong, in words that hold no secret.

use std::borrow::Cow;
use std::fmt;

use redis::{ErrorKind, RedisError};

use crate::session::StoreError;

/// Why Redis gave no answer, or none that can be read.
///
/// Never the server's own words: a server that does not know a command repeats
/// its arguments, and those of the first command are the user name and password.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// There was no answer, or it was a refusal.
    Unavailable(Cow<'static, str>),
    /// A key of ours holds a value in another form.
    Corrupt(Cow<'static, str>),
    /// A script over several keys met a slot that is on its way to another master, and the request
    /// [can be made in steps](super::script::Request::in_steps_while_a_slot_moves).
    SlotMoves,
    /// The operating system's random number generator failed.
    NoRandomness,
}

impl Fault {
    pub(super) fn unavailable(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Unavailable(reason.into())
    }

    pub(super) fn corrupt(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Corrupt(reason.into())
    }

    /// More wait for sessions than may.
    pub(super) fn too_many() -> Self {
        Self::unavailable("too many look-ups wait for Redis")
    }

    /// An answer of a type that this command never returns.
    pub(super) fn unexpected() -> Self {
        Self::unavailable("Redis gave an answer of an unexpected kind")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(reason) | Self::Corrupt(reason) => f.write_str(reason),
            Self::SlotMoves => f.write_str("a slot is on its way to another master"),
            Self::NoRandomness => f.write_str("no random numbers"),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What the server, or the connection, made of `command`. Names the command, never its
    /// arguments.
    pub(super) fn refused(command: &str, error: &RedisError) -> Self {
        match error.code() {
            Some(code @ ("WRONGTYPE" | "UNREADABLE")) => {
                return Self::corrupt(format!("Redis refused {command} with {code}"));
            }
            Some(code @ "NOPERM") => {
                // Names the command or key pattern that the ACL lacks, nothing else.
                let detail = error.detail().unwrap_or_default();
                return Self::unavailable(format!("Redis refused {command} with {code}: {detail}"));
            }
            Some(code) => {
                return Self::unavailable(format!("Redis refused {command} with {code}"));
            }
            None => {}
        }
        Self::unavailable(match error.kind() {
            ErrorKind::Io => Cow::Owned(format!("the connection to Redis failed: {error}")),
            ErrorKind::AuthenticationFailed => "Redis refused the user name or password".into(),
            ErrorKind::RESP3NotSupported => {
                "the server is not Redis 6 or newer (it does not know RESP3)".into()
            }
            ErrorKind::Parse => "Redis sent something that is not RESP3".into(),
            _ => Cow::Owned(format!("the connection to Redis failed: {}", error.category())),
        })
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::unavailable(format!("the connection to Redis failed: {error}"))
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unavailable(_) | Fault::SlotMoves => Self::Unavailable(fault.into()),
            Fault::Corrupt(_) => Self::Corrupt(fault.into()),
            Fault::NoRandomness => Self::Randomness,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_went_wrong_is_told_in_words_that_help() {
        let error = |kind| RedisError::from((kind, "detail"));
        for (error, words) in [
            (io::Error::from(io::ErrorKind::ConnectionReset).into(), "connection reset"),
            (error(ErrorKind::AuthenticationFailed), "refused the user name or password"),
            (error(ErrorKind::RESP3NotSupported), "not Redis 6 or newer"),
            (error(ErrorKind::Parse), "not RESP3"),
        ] {
            let fault = Fault::refused("GET", &error);
            assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
            assert!(fault.to_string().contains(words), "{fault}");
        }
    }
}
