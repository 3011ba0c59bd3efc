//! Settings that the sign-in page refuses.

use std::fmt;

/// An invalid setting of a sign-in page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// A prefix or an address of the own host that is not a canonical path.
    Path,
    /// A frame that is not an `https` origin.
    Endpoint,
    /// A script whose URL or digest is malformed.
    Script,
    /// An OAuth provider that Magic's extension does not know.
    Provider,
    /// A colour that is not `#rrggbb`.
    Colour,
    /// A link or an image that is neither a path nor an `https` URL.
    Link,
    /// A language file that cannot be read.
    Texts,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "a path must begin with one / and be in canonical form, such as /auth",
            Self::Endpoint => "the frame must be an https origin, such as https://auth.magic.link",
            Self::Script => {
                "a script must be an https URL, its integrity one sha256-, sha384- or sha512- digest"
            }
            Self::Provider => "the OAuth provider is not one that Magic's extension knows",
            Self::Colour => "a colour must be # and six hexadecimal digits",
            Self::Link => "a link must be a path or a whole https URL",
            Self::Texts => "the language file must be a JSON object of strings with known keys",
        })
    }
}

impl std::error::Error for PageError {}
