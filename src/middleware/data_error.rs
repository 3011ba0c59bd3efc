//! Why a session's data could not be read or changed.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::session::{SessionData, StoreError};

/// Why a session's data was not changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum DataError {
    /// The request was authenticated by a token that became no session, so there is nothing to
    /// attach data to.
    NoSession,
    /// The session has ended in the meantime.
    Ended,
    /// Another request has changed the data since this one has read it, and its change stays.
    /// The session shows the new data now, except where sessions live in their cookies.
    Conflict,
    /// The value has no JSON form.
    NotJson(serde_json::Error),
    /// The data has another form than was asked for.
    Unreadable(UnreadableData),
    /// The session lives in its cookie, and the response whose cookie could have held the new data
    /// has been sent.
    ResponseSent,
    /// The store did not store it. [`TooLarge`](StoreError::TooLarge) if there is too much of it.
    Store(StoreError),
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSession => "the request has no session, only a token",
            Self::Ended => "the session has ended",
            Self::Conflict => "another request has changed the session's data",
            Self::NotJson(_) => "the session's data has no JSON form",
            Self::Unreadable(error) => return error.fmt(f),
            Self::ResponseSent => "the response that could have held the session's data was sent",
            Self::Store(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for DataError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotJson(error) => Some(error),
            Self::Unreadable(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::NoSession | Self::Ended | Self::Conflict | Self::ResponseSent => None,
        }
    }
}

impl From<StoreError> for DataError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<UnreadableData> for DataError {
    fn from(error: UnreadableData) -> Self {
        Self::Unreadable(error)
    }
}

/// A session's data has another form than the handler or guard expects: for example because an older
/// version of the application attached it, or because nothing is attached.
///
/// Says which type was expected and where reading failed, and quotes nothing of the data.
#[derive(Clone)]
pub struct UnreadableData {
    expected: &'static str,
    /// `None` where nothing is attached.
    error: Option<Arc<serde_json::Error>>,
}

impl UnreadableData {
    /// The type that was expected, as Rust names it.
    #[must_use]
    pub const fn expected(&self) -> &'static str {
        self.expected
    }
}

/// Reads the application's value. Where nothing is attached, that is `null`, so that an `Option` is
/// `None`, and a type without such a form is unreadable.
pub(super) fn read<T: DeserializeOwned>(data: &SessionData) -> Result<T, UnreadableData> {
    let expected = type_name::<T>();
    match data.read() {
        Ok(Some(value)) => Ok(value),
        Ok(None) => {
            serde_json::from_str("null").map_err(|_| UnreadableData { expected, error: None })
        }
        Err(error) => Err(UnreadableData { expected, error: Some(Arc::new(error)) }),
    }
}

impl fmt::Display for UnreadableData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session's data cannot be read as {}", self.expected)?;
        match &self.error {
            None => f.write_str(": nothing is attached"),
            // Its own words may quote the data.
            Some(error) => {
                write!(f, ": wrong form at line {} column {}", error.line(), error.column())
            }
        }
    }
}

impl fmt::Debug for UnreadableData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnreadableData({self})")
    }
}

impl std::error::Error for UnreadableData {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_names_type_and_place_and_quotes_nothing() {
        let data = SessionData::new(&"a secret").expect("JSON");
        let error = read::<u8>(&data).expect_err("text is not a number");
        let words = format!("{error} {error:?} {:?}", DataError::from(error.clone()));
        assert!(words.contains("as u8: wrong form at line 1 column"), "{words}");
        assert!(!words.contains("secret"), "{words}");
        let nothing = read::<u8>(&SessionData::NONE).expect_err("nothing").to_string();
        assert_eq!(nothing, "the session's data cannot be read as u8: nothing is attached");
        assert_eq!(read::<Option<u8>>(&SessionData::NONE).expect("nothing"), None);
    }
}
