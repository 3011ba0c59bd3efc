//! The application's secret key at Magic: sent to Magic, and shown nowhere.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

/// What every secret key begins with: `sk_live_…`, or `sk_test_…` for old test applications.
const PREFIX: &str = "sk_";

/// The longest key that is read, in bytes. Magic's have 24; later ones may be longer.
const MAX_LEN: usize = 512;

/// The secret key of an application at Magic, `sk_live_…`.
///
/// It authorises the whole Admin API, deleting users included. `Debug` never shows it, and its
/// memory is overwritten when the last clone is dropped. (What is being written to a
/// connection is copied by the HTTP client, and those copies are not overwritten.)
///
/// ```
/// use tower_didt::magic::SecretKey;
///
/// let key: SecretKey = "sk_live_0123456789ABCDEF".parse()?;
/// assert_eq!(format!("{key:?}"), "SecretKey(redacted)");
/// # Ok::<(), tower_didt::magic::SecretKeyError>(())
/// ```
#[derive(Clone)]
pub struct SecretKey(Arc<Zeroizing<Vec<u8>>>);

impl SecretKey {
    /// Reads a key from a file, which may end in a line break.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if the file cannot be read or holds something other than a secret key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SecretKeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN + 3));
        // One byte more than a key and CRLF: enough to see that it is too long.
        File::open(path)
            .and_then(|file| file.take(MAX_LEN as u64 + 3).read_to_end(&mut bytes))
            .map_err(|error| SecretKeyError::Unreadable(error.kind()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretKeyError::NotASecretKey)?;
        text.trim_ascii_end().parse()
    }

    /// The value of the header `X-Magic-Secret-Key`. It shares this key's memory.
    pub(super) fn to_header(&self) -> Option<HeaderValue> {
        struct Shared(Arc<Zeroizing<Vec<u8>>>);
        impl AsRef<[u8]> for Shared {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        let bytes = Bytes::from_owner(Shared(Arc::clone(&self.0)));
        let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl FromStr for SecretKey {
    type Err = SecretKeyError;

    /// Reads `sk_` and visible ASCII, 512 bytes at most.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if !visible || text.len() > MAX_LEN || text.len() <= PREFIX.len() {
            return Err(SecretKeyError::NotASecretKey);
        }
        if text.starts_with("pk_") {
            return Err(SecretKeyError::PublishableKey);
        }
        if !text.starts_with(PREFIX) {
            return Err(SecretKeyError::NotASecretKey);
        }
        Ok(Self(Arc::new(Zeroizing::new(text.as_bytes().to_vec()))))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}

/// Why a text or a file is not a secret key. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretKeyError {
    /// The file cannot be read.
    Unreadable(io::ErrorKind),
    /// It is not `sk_` followed by visible ASCII, 512 bytes at most.
    NotASecretKey,
    /// It is a publishable key, `pk_…`, which is the browser's.
    PublishableKey,
}

impl fmt::Display for SecretKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(kind) => write!(f, "the secret key's file cannot be read: {kind}"),
            Self::NotASecretKey => f.write_str("a secret key is sk_ followed by visible ASCII"),
            Self::PublishableKey => {
                f.write_str("this is a publishable key (pk_…), but the secret key (sk_…) is needed")
            }
        }
    }
}

impl std::error::Error for SecretKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_secret_key_is_refused_without_being_quoted() {
        let long = format!("sk_{}", "A".repeat(MAX_LEN));
        for bad in ["", "sk_", "sk", "pk_live_1", "live_1", "sk_live_1 ", "sk_\n", "sk_é", &long] {
            let error = bad.parse::<SecretKey>().expect_err(bad);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("live_1") && !shown.contains("AAA"), "{shown}");
        }
        assert_eq!("pk_live_1".parse::<SecretKey>().err(), Some(SecretKeyError::PublishableKey));
    }

    #[test]
    fn the_key_goes_into_a_header_that_no_debug_output_shows() {
        let key: SecretKey = "sk_live_SEEN".parse().expect("a key");
        let header = key.to_header().expect("a header");
        assert_eq!(header, "sk_live_SEEN");
        assert!(header.is_sensitive());
        assert!(!format!("{header:?} {key:?}").contains("SEEN"));
    }
}
