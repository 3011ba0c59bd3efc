//! Why a token was not made for this browser.

use std::fmt;

/// Why a token is not bound to the browser that presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindingFault {
    /// The request has no challenge cookie: another browser's token, or no browser at all.
    NoChallenge,
    /// The challenge was not issued under this key, or was altered; or several are good at a time.
    UnknownChallenge,
    /// The challenge is too old.
    ChallengeExpired,
    /// The token's attachment is not this browser's challenge.
    OtherAttachment,
    /// The challenge was used to sign in before.
    ChallengeUsed,
}

impl fmt::Display for BindingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoChallenge => "the request has no challenge cookie",
            Self::UnknownChallenge => "the challenge was not issued here",
            Self::ChallengeExpired => "the challenge has expired",
            Self::OtherAttachment => "the token was not made for this browser's challenge",
            Self::ChallengeUsed => "the challenge was used before",
        })
    }
}

impl std::error::Error for BindingFault {}
