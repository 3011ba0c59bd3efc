//! Why Magic did not answer the question.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// Why a call to Magic failed. Never quotes the secret key or an answer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum MagicError {
    /// Magic knows no user of this application by that issuer. Anybody can make a key: a valid
    /// token of an issuer whom Magic does not know is nobody's.
    NoSuchUser,
    /// Magic refused the secret key (401 or 403).
    KeyRefused(StatusCode),
    /// Too many calls.
    RateLimited {
        /// How long to wait, if Magic said so.
        retry_after: Option<Duration>,
    },
    /// Magic cannot be reached, fails, or did not answer in time.
    Unavailable(Unavailable),
    /// Magic answered something else than what this client understands.
    NotUnderstood(NotUnderstood),
}

/// Why Magic is unavailable.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Unavailable {
    /// No answer within the time budget.
    TimedOut,
    /// The connection could not be made, or broke.
    Connection(Arc<dyn std::error::Error + Send + Sync>),
    /// Magic failed with this status, 5xx or 408.
    Failing(StatusCode),
    /// More look-ups, or sign-outs, are waiting than are allowed to.
    Busy,
}

/// The fault of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotUnderstood {
    /// A status that the call does not have, redirects included: they are not followed.
    Status(StatusCode),
    /// The body is longer than 64 KiB.
    TooLarge,
    /// The body is not the JSON that the call returns.
    Body,
    /// The answer is about another issuer than the one asked for.
    OtherIssuer,
    /// The answer has no client id.
    NoClientId,
    /// The request could not be made, for example because the secret key fits into no header.
    Request,
}

impl MagicError {
    /// A name for logs and metrics, such as `no_such_user`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoSuchUser => "no_such_user",
            Self::KeyRefused(_) => "key_refused",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable(Unavailable::TimedOut) => "timed_out",
            Self::Unavailable(Unavailable::Busy) => "busy",
            Self::Unavailable(_) => "unavailable",
            Self::NotUnderstood(_) => "not_understood",
        }
    }
}

impl fmt::Display for MagicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchUser => f.write_str("Magic knows no such user of this application"),
            Self::KeyRefused(status) => {
                write!(f, "Magic refused the secret key with status {}", status.as_u16())
            }
            Self::RateLimited { retry_after: Some(wait) } => {
                write!(f, "Magic limits the rate of calls; retry in {} s", wait.as_secs())
            }
            Self::RateLimited { retry_after: None } => {
                f.write_str("Magic limits the rate of calls")
            }
            Self::Unavailable(why) => write!(f, "Magic is unavailable: {why}"),
            Self::NotUnderstood(why) => write!(f, "Magic's answer was not understood: {why}"),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Connection(error) => fmt::Display::fmt(error, f),
            Self::Failing(status) => write!(f, "status {}", status.as_u16()),
            Self::Busy => f.write_str("too many look-ups are waiting"),
        }
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {}", status.as_u16()),
            Self::TooLarge => f.write_str("the body is too large"),
            Self::Body => f.write_str("the body is not the expected JSON"),
            Self::OtherIssuer => f.write_str("it is about another issuer"),
            Self::NoClientId => f.write_str("it has no client id"),
            Self::Request => f.write_str("the request could not be made"),
        }
    }
}

impl std::error::Error for MagicError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unavailable(Unavailable::Connection(error)) => Some(&**error),
            _ => None,
        }
    }
}
