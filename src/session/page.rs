//! Lists of sessions, a page at a time.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use super::SessionRecord;

/// The most sessions that one page holds, whatever is asked for.
///
/// A page is made in one piece while others wait for the store: 100 records are some 100 KB and
/// a fraction of a millisecond, and as many as a person looks at.
pub const MAX_SESSIONS_PER_PAGE: usize = 100;

/// Digits of a cursor's text: a `u64` in hexadecimal.
const CURSOR_DIGITS: usize = 16;

/// Which page of an issuer's sessions is asked for.
///
/// ```
/// use tower_didt::store::{PageCursor, PageRequest};
///
/// let first = PageRequest::first().with_size(20);
/// # fn from_query() -> PageCursor { PageCursor::from_u64(1) }
/// let next = PageRequest::after(from_query()).with_size(20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    after: Option<PageCursor>,
    size: usize,
}

impl PageRequest {
    /// The page with the oldest sessions, of [`MAX_SESSIONS_PER_PAGE`].
    #[must_use]
    pub const fn first() -> Self {
        Self { after: None, size: MAX_SESSIONS_PER_PAGE }
    }

    /// The page behind the one whose [`next`](SessionPage::next) this is.
    #[must_use]
    pub const fn after(cursor: PageCursor) -> Self {
        Self { after: Some(cursor), size: MAX_SESSIONS_PER_PAGE }
    }

    /// How many sessions the page may hold: at least 1, at most [`MAX_SESSIONS_PER_PAGE`]. A
    /// number outside of these becomes the nearer of the two.
    #[must_use]
    pub fn with_size(mut self, size: usize) -> Self {
        self.size = size.clamp(1, MAX_SESSIONS_PER_PAGE);
        self
    }

    /// How many sessions the page may hold.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Behind which place the page begins; `None` for the first page.
    #[must_use]
    pub const fn cursor(&self) -> Option<PageCursor> {
        self.after
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first()
    }
}

/// A place between two sessions of an issuer, where the next page begins.
///
/// It belongs to one issuer's list, and it stays good when sessions before and behind it end. To
/// clients it is an opaque text ([`Display`](fmt::Display), 16 hexadecimal digits); whoever makes
/// one up gets another part of the list of the same issuer, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageCursor(u64);

impl PageCursor {
    /// The place behind the session of this number, for stores: they number an issuer's sessions
    /// in the order in which they were made, and use no number twice.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number of the last session before this place.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0CURSOR_DIGITS$x}", self.0)
    }
}

impl FromStr for PageCursor {
    type Err = ParseCursorError;

    /// Reads what [`Display`](fmt::Display) wrote: exactly 16 digits, in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != CURSOR_DIGITS || !text.bytes().all(digit) {
            return Err(ParseCursorError(()));
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| ParseCursorError(()))
    }
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseCursorError(());

impl ParseCursorError {
    pub(super) const fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for ParseCursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the cursor of a list, as its last page says it")
    }
}

impl std::error::Error for ParseCursorError {}

/// Some of an issuer's sessions, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions, at most as many as were asked for. There may be fewer on any page, even
    /// none: sessions that have expired take up their place until they are cleared away.
    pub sessions: Vec<Arc<SessionRecord>>,
    /// Where the next page begins, or `None` on the last page.
    pub next: Option<PageCursor>,
}

impl SessionPage {
    /// A page, and where the next one begins.
    #[must_use]
    pub const fn new(sessions: Vec<Arc<SessionRecord>>, next: Option<PageCursor>) -> Self {
        Self { sessions, next }
    }
}

/// How many sessions an issuer may have at a time where nothing else is said.
///
/// Far more than anyone has devices and browsers, and few enough to bound the work for all of them:
/// anyone can make a key, and sign in with it again and again.
pub const DEFAULT_MAX_SESSIONS_PER_ISSUER: NonZeroUsize = match NonZeroUsize::new(256) {
    Some(max) => max,
    None => NonZeroUsize::MIN,
};

/// The most sessions that one [`mint`](super::SessionStore::mint) ends to come back within the
/// limit. More have to be ended only after the limit was lowered; each further sign-in ends as many
/// again.
pub const MAX_ENDED_PER_MINT: usize = 64;

/// How many sessions an issuer may have at a time. A session more ends the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionLimit {
    /// [`DEFAULT_MAX_SESSIONS_PER_ISSUER`] where the store can count sessions, and no limit where
    /// it cannot ([`lists_sessions`](super::SessionStore::lists_sessions)): such a store keeps
    /// nothing of a session, so that a session more costs it nothing.
    #[default]
    Default,
    /// So many. A store that cannot count sessions answers
    /// [`StoreError::Unsupported`](super::StoreError::Unsupported).
    AtMost(NonZeroUsize),
    /// Any number: what one issuer takes of the store's room grows with every sign-in, and ending
    /// all of its sessions takes a store in memory as long as there are sessions.
    Unlimited,
}

impl SessionLimit {
    /// The number, for a store that can count; `None` for no limit.
    #[must_use]
    pub const fn max(self) -> Option<NonZeroUsize> {
        match self {
            Self::Default => Some(DEFAULT_MAX_SESSIONS_PER_ISSUER),
            Self::AtMost(max) => Some(max),
            Self::Unlimited => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_text_and_reads_back() {
        for number in [0, 1, 1 << 53, u64::MAX] {
            let cursor = PageCursor::from_u64(number);
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
            assert_eq!(cursor.to_string().len(), 16);
        }
        for bad in [
            "",
            "1",
            "000000000000000G",
            "000000000000000A",
            "+00000000000000f",
            "00000000000000000",
            "é00000000000000",
        ] {
            assert!(bad.parse::<PageCursor>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_page_holds_from_1_to_100_sessions() {
        for (asked, size) in [(0, 1), (1, 1), (7, 7), (100, 100), (101, 100), (usize::MAX, 100)] {
            assert_eq!(PageRequest::first().with_size(asked).size(), size);
        }
        assert_eq!(PageRequest::first().size(), 100);
        assert_eq!(PageRequest::after(PageCursor::from_u64(7)).size(), 100);
    }

    #[test]
    fn the_limit_is_256_unless_it_is_said_otherwise() {
        assert_eq!(SessionLimit::default().max().map(NonZeroUsize::get), Some(256));
        assert_eq!(SessionLimit::AtMost(NonZeroUsize::MIN).max(), Some(NonZeroUsize::MIN));
        assert_eq!(SessionLimit::Unlimited.max(), None);
    }
}
