//! Why a return address is not followed.

use std::fmt;

/// Why a return address is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReturnFault {
    /// Longer than [`MAX_RETURN_LEN`](super::MAX_RETURN_LEN).
    TooLong,
    /// It has a blank, a control character, a backslash, a fragment or a character beyond ASCII.
    Character,
    /// Neither a path nor an `http` URL.
    NotAbsolute,
    /// Plain `http` to another machine.
    Scheme,
    /// The host or the port is not written as browsers write it, or has user information.
    Host,
    /// The host is not one that is allowed.
    Foreign,
    /// The path could be read in two ways: `//`, `..`, `%2e`, `%2f`, `;`.
    Path,
    /// It leads to the pages that the visitor comes from.
    Loop,
}

impl fmt::Display for ReturnFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the return address is too long",
            Self::Character => "the return address has a character that is not allowed",
            Self::NotAbsolute => "the return address is neither a path nor an https URL",
            Self::Scheme => "the return address is plain http",
            Self::Host => "the host of the return address is malformed",
            Self::Foreign => "the host of the return address is not allowed",
            Self::Path => "the path of the return address is not in its canonical form",
            Self::Loop => "the return address is the sign-in page itself",
        })
    }
}

impl std::error::Error for ReturnFault {}
