//! Settings that a layer refuses.

use std::fmt;

use super::ParseOriginError;

/// An invalid setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// An empty cookie name, or one with characters that a cookie's name must not have.
    InvalidCookieName,
    /// A cookie's domain that is not a host name of two or more labels, or is an address or (with
    /// the feature `public-suffix`) a public suffix.
    InvalidCookieDomain,
    /// A trusted origin that is neither an origin nor a pattern of origins.
    InvalidOrigin(ParseOriginError),
    /// A realm that cannot be put between quotes in a header.
    InvalidRealm,
    /// A sign-in page that is neither a path nor an `https` URL in canonical form.
    InvalidSignInPage,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidOrigin(error) => return error.fmt(f),
            Self::InvalidCookieName => {
                "a cookie's name must be made of ASCII letters, digits and !#$%&'*+-.^_`|~"
            }
            Self::InvalidCookieDomain => {
                "a cookie's domain must be a host name of two or more labels, in lower case, and not \
                 an address or a public suffix"
            }
            Self::InvalidSignInPage => {
                "a sign-in page must be a path such as /auth/sign-in or a whole https URL, in \
                 canonical form and without a query"
            }
            Self::InvalidRealm => "a realm must be visible ASCII without quotes and backslashes",
        })
    }
}

impl std::error::Error for ConfigError {}
