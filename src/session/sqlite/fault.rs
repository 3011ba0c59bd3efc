//! What SQLite's errors mean.

use sqlx::Error;
use sqlx::error::DatabaseError;

use crate::session::sql::Fault;

/// What happened, in words that hold no value.
///
/// A file that is damaged as a whole is one that cannot be asked: whoever has a session keeps the
/// cookie until the file is mended.
pub(super) fn read(error: &Error) -> Fault {
    let error = match error {
        Error::Database(error) => error,
        Error::Io(error) => return Fault::unavailable(format!("SQLite's file failed: {error}")),
        Error::PoolTimedOut => return Fault::unavailable("no connection became free"),
        Error::PoolClosed => return Fault::unavailable("the pool was closed"),
        _ => return Fault::unexpected(),
    };
    let code = code_of(&**error);
    let reason = match code & KIND {
        1 => "lacks the tables, or has old ones: run its migrations",
        5 | 6 => "is locked by another for longer than this call may wait",
        8 => "may only read its file",
        10 => "could not read or write its file",
        11 | 26 => "finds its file damaged",
        13 => "has no room left on its disk",
        14 => "cannot open its file",
        _ => "refused the statement",
    };
    Fault::unavailable(format!("SQLite {reason} (code {code})"))
}

/// Whether another writer was in the way, and nothing has happened.
pub(super) fn is_lock(error: &Error) -> bool {
    matches!(error, Error::Database(error) if matches!(code_of(&**error) & KIND, 5 | 6))
}

/// The lowest byte of a code is its kind, the others say more (SQLite's "result and error codes").
const KIND: i32 = 0xff;

fn code_of(error: &dyn DatabaseError) -> i32 {
    error.code().and_then(|code| code.parse().ok()).unwrap_or_default()
}
