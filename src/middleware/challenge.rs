//! The challenge of a bound login: a secret in the browser's cookie, and the hash of it
//! that the page gets to see.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Response};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{SessionCookie, forbid_storing};
use crate::did::Timestamp;
use crate::session::StoreError;

/// Hashed before the secret, so that no hash can mean two things.
const TAG: &[u8] = b"tower-didt challenge: tag";
const VALUE: &[u8] = b"tower-didt challenge: value";
const MARK: &[u8] = b"tower-didt challenge: mark";

/// The cookie's value: when it was issued, random bits, and the server's word for both.
const ISSUED_AT_LEN: usize = 8;
const RANDOM_LEN: usize = 32;
const TAG_LEN: usize = 32;
const LEN: usize = ISSUED_AT_LEN + RANDOM_LEN + TAG_LEN;

/// A new challenge, to be handed to a browser. Made by
/// [`DidAuth::challenge`](super::DidAuth::challenge).
///
/// Both parts must go out with the same response: [`set_cookie`](Self::set_cookie) into
/// its headers, [`value`](Self::value) into its body.
/// [`to_response`](Self::to_response) does that; under axum it is a response itself.
#[derive(Clone)]
pub struct Challenge {
    value: String,
    set_cookie: HeaderValue,
    expires_in: Duration,
}

impl Challenge {
    /// The required attachment of the token: 43 digits of URL-safe base64. It is not a
    /// secret, the cookie cannot be made from it.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The `Set-Cookie` header that goes with it.
    #[must_use]
    pub const fn set_cookie(&self) -> &HeaderValue {
        &self.set_cookie
    }

    /// How long both are good.
    #[must_use]
    pub const fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// `{"challenge":"…","expires_in":600}`, the cookie, and `Cache-Control: no-store`.
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let Self { value, expires_in, .. } = self;
        let seconds = expires_in.as_secs();
        let body = format!("{{\"challenge\":\"{value}\",\"expires_in\":{seconds}}}\n");
        let mut response = Response::new(Bytes::from(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        forbid_storing(headers);
        headers.append(SET_COOKIE, self.set_cookie.clone());
        response
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge").field("expires_in", &self.expires_in).finish_non_exhaustive()
    }
}

/// What challenges are authenticated with: given, or made at first use.
#[derive(Clone, Default)]
pub(super) struct ChallengeKey(Arc<OnceLock<Zeroizing<[u8; 32]>>>);

impl ChallengeKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(Arc::new(Zeroizing::new(key).into()))
    }

    pub(super) fn issue(
        &self,
        cookie: &SessionCookie,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Challenge, StoreError> {
        let key = match self.0.get() {
            Some(key) => key,
            None => {
                let made = random()?;
                self.0.get_or_init(|| made)
            }
        };
        let secret = Secret::new(key, now.as_secs(), &*random()?);
        let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*secret.0));
        let set_cookie =
            cookie.for_challenges().header(&text, lifetime).ok_or(StoreError::Randomness)?;
        Ok(Challenge { value: secret.value(), set_cookie, expires_in: lifetime })
    }

    /// Reads the cookie's value back: `None` if it was not issued under this key.
    pub(super) fn open(&self, text: &str) -> Option<Secret> {
        let mut bytes = Zeroizing::new([0u8; LEN]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut *bytes).ok()?;
        let secret = Secret(bytes);
        let (stated, tag) = secret.0.split_last_chunk::<TAG_LEN>()?;
        let genuine = mac(self.0.get()?, stated).verify_slice(tag).is_ok();
        (genuine && length == LEN).then_some(secret)
    }
}

impl fmt::Debug for ChallengeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKey(redacted)")
    }
}

/// What the cookie holds.
pub(super) struct Secret(Zeroizing<[u8; LEN]>);

impl Secret {
    fn new(key: &[u8; 32], issued_at: i64, random: &[u8; RANDOM_LEN]) -> Self {
        let stated = [&issued_at.to_be_bytes()[..], random].concat();
        let tag = mac(key, &stated).finalize().into_bytes();
        let mut bytes = Zeroizing::new([0u8; LEN]);
        for (to, from) in bytes.iter_mut().zip(stated.iter().chain(&tag)) {
            *to = *from;
        }
        Self(bytes)
    }

    /// When the server issued it.
    pub(super) fn issued_at(&self) -> Timestamp {
        let seconds = self.0.first_chunk::<ISSUED_AT_LEN>().map_or(0, |b| i64::from_be_bytes(*b));
        Timestamp::from_secs(seconds)
    }

    /// What the page was told: a hash, since whoever sees the token can look for it there.
    pub(super) fn value(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.hash(VALUE))
    }

    /// What marks it as used.
    pub(super) fn mark(&self) -> [u8; 32] {
        self.hash(MARK)
    }

    fn hash(&self, purpose: &[u8]) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update(*self.0).finalize().into()
    }
}

fn mac(key: &[u8; 32], stated: &[u8]) -> Hmac<Sha256> {
    // RFC 2104: a key shorter than a block is padded with zeros.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new(&block).chain_update(TAG).chain_update(stated)
}

fn random() -> Result<Zeroizing<[u8; 32]>, StoreError> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|_| StoreError::Randomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn issue(key: &ChallengeKey) -> (String, Challenge) {
        let lifetime = Duration::from_secs(600);
        let challenge = key.issue(&SessionCookie::default(), lifetime, NOW).expect("randomness");
        let header = challenge.set_cookie().to_str().expect("ASCII");
        let pair = header.split(';').next().expect("a pair");
        let (_, text) = pair.split_once('=').expect("a value");
        (text.to_owned(), challenge)
    }

    #[test]
    fn the_cookie_opens_to_what_the_page_was_told_and_no_two_are_the_same() {
        let key = ChallengeKey::default();
        let ((text, challenge), (other_text, other)) = (issue(&key), issue(&key));
        let secret = key.open(&text).expect("its own");
        assert_eq!((secret.value().as_str(), secret.issued_at()), (challenge.value(), NOW));
        assert_ne!((text, challenge.value()), (other_text, other.value()));
        assert!(challenge.set_cookie().is_sensitive());
    }

    #[test]
    fn a_bit_changed_anywhere_or_another_key_opens_nothing() {
        let key = ChallengeKey::new([7; 32]);
        let (text, _) = issue(&key);
        let bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64");
        assert_eq!(bytes.len(), LEN);
        for at in 0..LEN {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(key.open(&URL_SAFE_NO_PAD.encode(changed)).is_none(), "byte {at}");
        }
        for bad in [&text[..95], &format!("{text}A"), &format!("{text}="), "", &"A".repeat(9_000)] {
            assert!(key.open(bad).is_none(), "{bad:?}");
        }
        assert!(ChallengeKey::new([8; 32]).open(&text).is_none());
        assert!(ChallengeKey::default().open(&text).is_none());
        assert!(ChallengeKey::new([7; 32]).open(&text).is_some(), "the key alone counts");
    }

    #[test]
    fn value_mark_and_cookie_have_nothing_in_common() {
        let (text, challenge) = issue(&ChallengeKey::new([7; 32]));
        assert_eq!(challenge.value().len(), 43);
        assert!(!text.contains(challenge.value()));
        let secret = ChallengeKey::new([7; 32]).open(&text).expect("its own");
        assert_ne!(URL_SAFE_NO_PAD.encode(secret.mark()), challenge.value());
    }
}
