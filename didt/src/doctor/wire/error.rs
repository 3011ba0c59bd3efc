//! Why there is no answer.

use std::{fmt, io};

#[derive(Debug)]
pub(crate) enum Error {
    /// No connection.
    Connect(io::Error),
    /// The connection broke, or was closed, before there was an answer.
    Closed,
    /// No answer within the time.
    Late,
    /// An answer that is too long, or is not HTTP/1.
    Malformed(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Closed => f.write_str("the connection was closed without an answer"),
            Self::Late => f.write_str("no answer within the time"),
            Self::Malformed(what) => write!(f, "the answer {what}"),
        }
    }
}
