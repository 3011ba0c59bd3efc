//! The applications whose tokens are accepted.

use std::fmt;
use std::sync::Arc;

use super::quoted::Quoted;

/// The audiences (Magic client ids) that a [`Verifier`](super::Verifier) accepts, compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audiences(Arc<[Box<str>]>);

impl Audiences {
    /// Whether `aud` is one of them. An empty or blank audience never is: a client
    /// id left blank in one configuration must not admit everyone else who left it blank.
    #[must_use]
    pub fn accept(&self, aud: &str) -> bool {
        !aud.trim().is_empty() && self.0.iter().any(|accepted| **accepted == *aud)
    }

    #[cfg(all(feature = "layer", feature = "testing"))]
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(AsRef::as_ref)
    }
}

impl fmt::Display for Audiences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for audience in self.0.iter() {
            write!(f, "{separator}{}", Quoted(audience))?;
            separator = " or ";
        }
        Ok(())
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
