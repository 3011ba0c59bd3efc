//! The applications whose tokens are accepted.

use std::fmt;
use std::sync::Arc;

use super::quoted::Quoted;

/// The audiences (Magic client ids) that a [`Verifier`](super::Verifier) accepts, compared byte for
/// byte.
///
/// The empty or blank text and the keys of Magic's API (`pk_live_…`, `sk_live_…`) accept no token,
/// not even one with the same `aud`. Call [`check`](Self::check) where an audience comes from a
/// configuration, to learn of that at the start.
#[derive(Clone, PartialEq, Eq)]
pub struct Audiences(Arc<[Box<str>]>);

impl Audiences {
    /// Whether every one of these can be a client id, and there is one.
    ///
    /// ```
    /// use tower_didt::Audiences;
    /// use tower_didt::token::InvalidAudience;
    ///
    /// # let from_the_environment = String::from("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba");
    /// let audiences = Audiences::from(from_the_environment);
    /// audiences.check()?;
    /// assert_eq!(Audiences::from("").check(), Err(InvalidAudience::Blank));
    /// # Ok::<(), InvalidAudience>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first [`InvalidAudience`].
    pub fn check(&self) -> Result<(), InvalidAudience> {
        if self.0.is_empty() {
            return Err(InvalidAudience::Missing);
        }
        self.0.iter().try_for_each(|audience| check_one(audience))
    }

    /// Whether `aud` is one of them. A blank text or a key never is: an id left blank in one
    /// configuration must not admit everyone else who left it blank.
    #[must_use]
    pub fn accept(&self, aud: &str) -> bool {
        self.0.iter().any(|accepted| **accepted == *aud)
            && !aud.chars().all(is_blank)
            && check_key(aud).is_ok()
    }

    /// Each of them, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    #[cfg(all(feature = "layer", feature = "testing"))]
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(AsRef::as_ref)
    }
}

/// Why a text cannot be an audience. No token is made for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidAudience {
    /// There is no audience.
    Missing,
    /// It is empty, or has blanks, line ends or invisible characters in it.
    Blank,
    /// It is a publishable key of Magic's API, `pk_live_…`.
    PublishableKey,
    /// It is a secret key of Magic's API, `sk_live_…`.
    SecretKey,
}

impl fmt::Display for InvalidAudience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self {
            Self::Missing => "there is no audience",
            Self::Blank => "an audience must not be empty or have blanks",
            Self::PublishableKey => "an audience is a publishable API key of Magic's",
            // It stays out of what is printed.
            Self::SecretKey => {
                "an audience is a secret API key of Magic's, which belongs into no setting but its own"
            }
        };
        write!(
            f,
            "{problem}; expected your application's client id, such as \
             \"did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba\""
        )
    }
}

impl std::error::Error for InvalidAudience {}

fn check_one(audience: &str) -> Result<(), InvalidAudience> {
    if audience.is_empty() || audience.contains(is_blank) {
        return Err(InvalidAudience::Blank);
    }
    check_key(audience)
}

/// Magic's keys begin like this, in any environment.
fn check_key(audience: &str) -> Result<(), InvalidAudience> {
    match audience.as_bytes() {
        [b'p' | b'P', b'k' | b'K', b'_', ..] => Err(InvalidAudience::PublishableKey),
        [b's' | b'S', b'k' | b'K', b'_', ..] => Err(InvalidAudience::SecretKey),
        _ => Ok(()),
    }
}

/// Blanks, line ends, and what shows as nothing: the zero-width characters of Unicode's general
/// punctuation, soft hyphens and byte order marks, which come with text copied from a page.
fn is_blank(char: char) -> bool {
    char.is_whitespace()
        || char.is_control()
        || matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// A secret key that was taken for a client id is hidden, as this is printed in errors.
impl fmt::Display for Audiences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for audience in self.0.iter() {
            match check_one(audience.trim()) {
                Err(InvalidAudience::SecretKey) => write!(f, "{separator}a secret API key")?,
                Err(InvalidAudience::PublishableKey) => {
                    write!(f, "{separator}{} (a publishable API key)", Quoted(audience))?;
                }
                _ => write!(f, "{separator}{}", Quoted(audience))?,
            }
            separator = " or ";
        }
        Ok(())
    }
}

impl fmt::Debug for Audiences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Audiences({self})")
    }
}

impl From<&str> for Audiences {
    fn from(audience: &str) -> Self {
        Self::from_iter([audience])
    }
}

impl From<String> for Audiences {
    fn from(audience: String) -> Self {
        Self::from_iter([audience])
    }
}

impl<T: Into<Box<str>>> From<Vec<T>> for Audiences {
    fn from(audiences: Vec<T>) -> Self {
        Self::from_iter(audiences)
    }
}

impl<T: Into<Box<str>>, const N: usize> From<[T; N]> for Audiences {
    fn from(audiences: [T; N]) -> Self {
        Self::from_iter(audiences)
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for Audiences {
    fn from_iter<I: IntoIterator<Item = T>>(audiences: I) -> Self {
        Self(audiences.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_client_id_is_refused_and_accepts_nothing() {
        use InvalidAudience::{Blank, PublishableKey, SecretKey};
        let rows = [
            ("", Blank),
            (" ", Blank),
            ("\t", Blank),
            ("did:magic:a\n", Blank),
            (" did:magic:a", Blank),
            ("did:magic: a", Blank),
            ("\u{200b}", Blank),
            ("\u{feff}did:magic:a", Blank),
            ("did:magic:a\u{a0}", Blank),
            ("\0", Blank),
            ("pk_live_0123", PublishableKey),
            ("pk_test_0123", PublishableKey),
            ("PK_LIVE_0123", PublishableKey),
            ("pk_", PublishableKey),
            ("sk_live_n33dl3", SecretKey),
            ("sk_test_n33dl3", SecretKey),
            ("Sk_n33dl3", SecretKey),
        ];
        for (text, expected) in rows {
            let audiences = Audiences::from(["did:magic:a", text]);
            assert_eq!(audiences.check(), Err(expected), "{text:?}");
            // Other blanks are unlikely, and may be what the tokens have.
            let unlikely = text.len() > 4 && expected == Blank;
            assert_eq!(audiences.accept(text), unlikely, "{text:?}");
            assert!(audiences.accept("did:magic:a"), "{text:?}");
            let shown = format!("{audiences} {audiences:?} {expected}");
            assert!(!shown.contains("n33dl3"), "{shown}");
        }
        for text in ["did:magic:a", "a", "desk_live", "pk", "spk_1", "did:magic:é"] {
            assert_eq!(Audiences::from(text).check(), Ok(()), "{text}");
            assert!(Audiences::from(text).accept(text), "{text}");
        }
        assert_eq!(Audiences::from_iter::<[&str; 0]>([]).check(), Err(InvalidAudience::Missing));
    }
}
