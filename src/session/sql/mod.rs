//! What the stores in SQL databases share.

mod cleaning;
mod fault;
mod names;
mod row;

pub(super) use self::cleaning::{Clean, clean, clean_for_ever};
pub(super) use self::fault::Fault;
pub(super) use self::names::is_name;
pub(super) use self::row::{Row, issuers_of, page_of, place_of, seconds};
use super::ISSUERS_PER_PAGE;

/// How many of an issuer's oldest sessions a mint looks at for expired ones.
pub(super) const LOOKED_AT_FOR_EXPIRED: i32 = 8;

/// How many issuers a page of them looks at: one more than it holds, to know whether there is a next page.
pub(super) const ISSUERS_LOOKED_AT: i32 = ISSUERS_PER_PAGE as i32 + 1;

/// How many rows signing out everywhere removes at once; further ones have ended all the same and are
/// removed in the background. Several times the default limit of an issuer's sessions.
pub(super) const REMOVED_AT_ONCE: i32 = 1000;
