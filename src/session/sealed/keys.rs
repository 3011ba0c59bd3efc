//! The keys that seal sessions, and where they come from.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::key_text::parse_keys;
use super::{MIN_KEY_LEN, SealingKeyError};

/// 32 random bytes have about 30 different values. Fewer than this
/// are not random: a repeated letter, a counter, a forgotten placeholder.
const MIN_DIFFERENT_BYTES: usize = 8;

/// Separates our use of a key from all others (the salt of RFC 5869 section 2.2).
const SALT: &[u8] = b"tower-didt sealed session key";

/// The keys of a [`SealedStore`](super::SealedStore): the first seals new
/// sessions, all of them open what they sealed.
///
/// To change keys, put a new one first, on every machine; drop the old one when
/// the sessions made with it have ended. **A session stays with the key that it
/// was made with**, however often it is renewed, so dropping a key ends every
/// session that was ever made with it. That is what to do when a key is known
/// to somebody else: no session forged with it can move over to another key.
///
/// Anyone who has a key can act as any user. Keep keys out of the repository, and give each
/// application its own keys: one that shares them accepts the sessions of the other where their
/// cookies have the same name.
///
/// Wiped from memory when dropped; `Debug` shows no key.
#[derive(Clone)]
pub struct SealingKeys {
    newest: SealingKey,
    older: Vec<SealingKey>,
}

impl SealingKeys {
    /// One key made of random bytes, at least 32 of them. Derived from, not used
    /// as they are, so any length above is fine.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::TooShort`] for fewer bytes, [`SealingKeyError::Weak`] for
    /// bytes that are visibly not random. **A password is not a key**, however long.
    pub fn from_bytes(key: impl AsRef<[u8]>) -> Result<Self, SealingKeyError> {
        Ok(Self { newest: SealingKey::new(key.as_ref(), 1)?, older: Vec::new() })
    }

    /// Adds an older key, which opens sessions but makes no new ones.
    ///
    /// # Errors
    ///
    /// As [`from_bytes`](Self::from_bytes).
    pub fn with_older_key(mut self, key: impl AsRef<[u8]>) -> Result<Self, SealingKeyError> {
        let line = self.iter().count() + 1;
        self.older.push(SealingKey::new(key.as_ref(), line)?);
        Ok(self)
    }

    /// Keys as text, one a line, newest first: hexadecimal digits or base64 of either
    /// alphabet. Blank lines and what follows a `#` are ignored.
    ///
    /// ```
    /// use tower_didt::SealingKeys;
    ///
    /// let keys = SealingKeys::from_text(
    ///     "
    ///     gw2qY-IjNaVs4dXsnbrRAc7x5GNDkoN_T8cOQ0MEqOc # May
    ///     8f0c9a5e1bd24763a91d7e40b6c2f85390ab3d6e17f2c4580d9b6ea1753c8f2d # April
    ///     ",
    /// )?;
    /// # Ok::<(), tower_didt::sealed::SealingKeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::NoKeys`], or what is wrong with the first bad line. No error
    /// holds any of the text.
    pub fn from_text(text: &str) -> Result<Self, SealingKeyError> {
        let mut keys = parse_keys(text).map(|key| {
            let (bytes, line) = key?;
            SealingKey::new(&bytes, line)
        });
        let newest = keys.next().ok_or(SealingKeyError::NoKeys)??;
        Ok(Self { newest, older: keys.collect::<Result<_, _>>()? })
    }

    /// Reads keys from a file, in the form of [`from_text`](Self::from_text).
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::File`] if it cannot be read, else as `from_text`.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SealingKeyError> {
        let text = std::fs::read_to_string(path).map_err(SealingKeyError::File)?;
        Self::from_text(&Zeroizing::new(text))
    }

    /// Reads keys from an environment variable, in the form of
    /// [`from_text`](Self::from_text); commas may replace line breaks.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::NotSet`] if there is no such variable, else as `from_text`.
    pub fn from_env(variable: &str) -> Result<Self, SealingKeyError> {
        let text = std::env::var_os(variable).ok_or(SealingKeyError::NotSet)?;
        let text = text.into_string().map_err(|_| SealingKeyError::Malformed { line: 1 })?;
        let lines = Zeroizing::new(Zeroizing::new(text).replace(',', "\n"));
        Self::from_text(&lines)
    }

    /// A new random key. What it seals ends with the process, unless the key is kept:
    /// see [`generate_text`](Self::generate_text).
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::Randomness`] if the operating system's random number generator failed.
    pub fn generate() -> Result<Self, SealingKeyError> {
        Self::from_bytes(*random_key()?)
    }

    /// A new random key as text, 43 digits of URL-safe base64, to be kept somewhere
    /// secret and read back with [`from_text`](Self::from_text) and its kin.
    ///
    /// # Errors
    ///
    /// [`SealingKeyError::Randomness`] if the operating system's random number generator failed.
    pub fn generate_text() -> Result<String, SealingKeyError> {
        Ok(URL_SAFE_NO_PAD.encode(*random_key()?))
    }

    /// The key for new sessions.
    pub(super) const fn newest(&self) -> &SealingKey {
        &self.newest
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }
}

impl fmt::Debug for SealingKeys {
    /// How many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys({} redacted)", self.iter().count())
    }
}

/// One key, split by HKDF-SHA256 (RFC 5869) into one for each use.
#[derive(Clone)]
pub(super) struct SealingKey {
    /// Identifies the key that sealed an envelope. Reveals nothing about the others.
    pub(super) id: [u8; 4],
    /// Makes the key of every single envelope.
    envelopes: Prepared,
    /// Signs handles.
    handles: Prepared,
}

type DerivedKey = Zeroizing<[u8; 32]>;

/// HMAC-SHA256 that has taken its key in, which is half of its work on short texts.
/// Wiped when dropped.
type Prepared = Hmac<Sha256>;

impl SealingKey {
    /// `line` is the key's line, for errors.
    pub(super) fn new(bytes: &[u8], line: usize) -> Result<Self, SealingKeyError> {
        if bytes.len() < MIN_KEY_LEN {
            return Err(SealingKeyError::TooShort { line, bytes: bytes.len() });
        }
        let mut seen = [false; 256];
        for byte in bytes {
            if let Some(seen) = seen.get_mut(usize::from(*byte)) {
                *seen = true;
            }
        }
        if seen.into_iter().filter(|seen| *seen).count() < MIN_DIFFERENT_BYTES {
            return Err(SealingKeyError::Weak { line });
        }
        let mut salt = [0; 32];
        salt.iter_mut().zip(SALT).for_each(|(to, from)| *to = *from);
        let secret = prepared(&derived(&prepared(&salt), &[bytes]));
        let derive = |purpose: &[u8]| derived(&secret, &[purpose, &[1]]);
        let [a, b, c, d, ..] = *derive(b"key id");
        let (envelopes, handles) = (derive(b"envelopes"), derive(b"handles"));
        Ok(Self { id: [a, b, c, d], envelopes: prepared(&envelopes), handles: prepared(&handles) })
    }

    /// The key of the envelope that carries this salt.
    pub(super) fn of_envelope(&self, salt: &[u8; 32]) -> DerivedKey {
        derived(&self.envelopes, &[salt])
    }

    /// Signs what a handle says.
    pub(super) fn handle_mac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        over(&self.handles, parts)
    }
}

/// HMAC itself fills shorter keys up with zeros to a block of 64 bytes (RFC 2104 section 2);
/// done here, no length can be wrong.
fn prepared(key: &[u8; 32]) -> Prepared {
    let mut block = Zeroizing::new([0; 64]);
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    <Hmac<Sha256> as KeyInit>::new((&*block).into())
}

/// HMAC-SHA256 over the parts in a row.
fn over(key: &Prepared, parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn derived(key: &Prepared, parts: &[&[u8]]) -> DerivedKey {
    Zeroizing::new(over(key, parts).finalize().into_bytes().into())
}

fn random_key() -> Result<Zeroizing<[u8; MIN_KEY_LEN]>, SealingKeyError> {
    let mut key = Zeroizing::new([0; MIN_KEY_LEN]);
    getrandom::fill(&mut *key).map_err(|_| SealingKeyError::Randomness)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n * 7) as u8).collect()
    }

    #[test]
    fn short_and_weak_keys_are_refused() {
        for length in [0, 1, 16, 31] {
            let error = SealingKeys::from_bytes(bytes(length)).expect_err("too short");
            assert!(
                matches!(error, SealingKeyError::TooShort { line: 1, bytes } if bytes == length)
            );
        }
        for weak in [vec![0; 32], vec![0xff; 64], b"abcdefg".repeat(10)] {
            let error = SealingKeys::from_bytes(weak).expect_err("weak");
            assert!(matches!(error, SealingKeyError::Weak { line: 1 }), "{error}");
        }
        let keys = SealingKeys::from_bytes(bytes(32)).expect("a key");
        assert!(matches!(keys.with_older_key([0; 32]), Err(SealingKeyError::Weak { line: 2 })));
    }

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let key = SealingKey::new(&bytes(32), 1).expect("a key");
        let other = SealingKey::new(&bytes(33), 1).expect("a key");
        let (envelope, handle) = (key.of_envelope(&[0; 32]), derived(&key.handles, &[&[0; 32]]));
        assert_ne!(envelope, handle);
        assert_ne!(key.id, other.id);
        assert_ne!(envelope, other.of_envelope(&[0; 32]));
        assert_ne!(envelope, key.of_envelope(&[1; 32]));
    }

    /// Computed with Python's `hmac`, so that the derivation cannot change unnoticed:
    /// `H=lambda k,m: hmac.new(k,m,'sha256').digest()`, `s=H(SALT,key)`,
    /// `H(H(s,b'envelopes\x01'),bytes(32))`, `H(H(s,b'handles\x01'),b'text')`.
    #[test]
    fn keys_are_derived_by_hkdf() {
        let key = SealingKey::new(&bytes(32), 1).expect("a key");
        assert_eq!(hex::encode(key.id), "59ab3024");
        assert_eq!(
            hex::encode(*key.of_envelope(&[0; 32])),
            "f7fe42f6bf2f279da9ec103cfa25e721a0ff232213cbb55f17fc425998c4e1f2"
        );
        assert_eq!(
            hex::encode(key.handle_mac(&[b"te", b"xt"]).finalize().into_bytes()),
            "7da27b1212eb466a2892aa7aa7de6634e9f9f159dac770b3f2ce32fefbb5e281"
        );
    }

    #[test]
    fn what_kept_a_file_from_being_read_is_the_source_of_the_error() {
        use std::error::Error;
        let error = SealingKeyError::File(std::io::Error::other("the disk"));
        assert_eq!(error.source().expect("a source").to_string(), "the disk");
        assert!(SealingKeyError::NotSet.source().is_none());
    }

    #[test]
    fn debug_shows_nothing_of_the_keys() {
        let keys = SealingKeys::from_bytes(bytes(32)).expect("a key");
        assert_eq!(format!("{keys:?}"), "SealingKeys(1 redacted)");
    }
}
