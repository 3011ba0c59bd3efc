//! Settings that cannot be used.

use std::fmt;

/// An invalid setting for Magic's Admin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MagicConfigError {
    /// The API's URL is not `https://` and a host, nor `http://` and a loopback address.
    InvalidApiUrl,
    /// A kind of wallet that is not made of ASCII letters, digits and `_`.
    InvalidWalletKind,
    /// There is no trusted certificate, or the text is not PEM.
    UnusableRoots,
    /// The environment names a proxy that is not an `http://` one.
    UnsupportedProxy,
}

impl fmt::Display for MagicConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidApiUrl => {
                "the URL of Magic's API must be https:// and a host, or http:// and a loopback address"
            }
            Self::InvalidWalletKind => "a kind of wallet must consist of ASCII letters, digits and _",
            Self::UnusableRoots => "there are no certificates to trust, or they are not PEM",
            Self::UnsupportedProxy => "the proxy in HTTPS_PROXY or ALL_PROXY must be http://",
        })
    }
}

impl std::error::Error for MagicConfigError {}
