//! Lists of the issuers that have sessions, a page at a time.

use std::fmt;
use std::str::FromStr;

use super::{ParseCursorError, StoreError};
use crate::did::{Address, Issuer};

/// About how many issuers one page holds. A store that walks through its keys in steps, as Redis does, may return
/// a few more on one page and none on another.
pub const ISSUERS_PER_PAGE: usize = 100;

/// The longest text of a cursor, in bytes: enough for an address in hexadecimal, or for the number of a
/// server and a place in it.
const MAX_CURSOR_LEN: usize = 64;

/// Where the next page of issuers begins.
///
/// An opaque text of up to 64 letters, digits and `-`, of the store that returned it and of no other; one
/// that was made up leads to another part of the same list, or is refused with
/// [`StoreError::Unsupported`](super::StoreError::Unsupported).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerCursor(Box<str>);

impl IssuerCursor {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last issuer of the page before, in stores that keep issuers in an order;
    /// [`StoreError::Unsupported`] if this is no cursor of theirs.
    pub(in crate::session) fn issuer(&self) -> Result<Issuer, StoreError> {
        self.0.parse::<Address>().map(Issuer::from).map_err(|_| StoreError::Unsupported)
    }
}

impl fmt::Display for IssuerCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for IssuerCursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if !(1..=MAX_CURSOR_LEN).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(ParseCursorError::new());
        }
        Ok(Self(text.into()))
    }
}

/// Some of the issuers that have sessions, in no particular order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerPage {
    /// The issuers. The sessions of some may have expired and not have been cleared away yet, and one that signs in
    /// or out while pages are read may be missing or appear twice.
    pub issuers: Vec<Issuer>,
    /// Where the next page begins, or `None` on the last page.
    pub next: Option<IssuerCursor>,
}

impl IssuerPage {
    /// A page, and where the next one begins.
    #[must_use]
    pub const fn new(issuers: Vec<Issuer>, next: Option<IssuerCursor>) -> Self {
        Self { issuers, next }
    }

    /// A page of issuers in their order, of which one more was looked at than a page holds if there
    /// are more; with each, whether it has sessions. See [`IssuerCursor::issuer`].
    pub(in crate::session) fn of_looked_at(looked_at: Vec<(Issuer, bool)>) -> Self {
        let last =
            looked_at.get(ISSUERS_PER_PAGE - 1).filter(|_| looked_at.len() > ISSUERS_PER_PAGE);
        let next = last.and_then(|(issuer, _)| issuer.address().to_string().parse().ok());
        let page = looked_at.into_iter().take(ISSUERS_PER_PAGE);
        Self { issuers: page.filter(|(_, lives)| *lives).map(|(issuer, _)| issuer).collect(), next }
    }
}
