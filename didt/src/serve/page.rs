//! `?cursor=…&limit=…`: which page of a list of sessions a request asks for.

use serde::Deserialize;
use tower_didt::store::{MAX_SESSIONS_PER_PAGE, PageRequest};

/// As the query has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    cursor: Option<String>,
    limit: Option<usize>,
}

impl Page {
    pub(crate) fn request(&self) -> Option<PageRequest> {
        request(self.cursor.as_deref(), self.limit)
    }
}

/// What to ask of the store, or `None` for what is not a cursor, and for a limit below 1 or above
/// [`MAX_SESSIONS_PER_PAGE`], which is the default.
pub(crate) fn request(cursor: Option<&str>, limit: Option<usize>) -> Option<PageRequest> {
    let size = limit.unwrap_or(MAX_SESSIONS_PER_PAGE);
    let request = match cursor {
        Some(cursor) => PageRequest::after(cursor.parse().ok()?),
        None => PageRequest::first(),
    };
    (1..=MAX_SESSIONS_PER_PAGE).contains(&size).then(|| request.with_size(size))
}
