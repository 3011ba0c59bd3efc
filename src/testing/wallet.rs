//! A wallet that signs as Magic's does, with a key made from a seed.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "test helpers; what they expect holds for every input"
)]

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use k256::ecdsa::{SigningKey, VerifyingKey};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use sha3::{Digest, Keccak256};

use crate::did::{Clock, Issuer, SystemClock, Timestamp};
use crate::did::{address_of, prehash};

/// Magic's default lifespan of a token: 900 seconds.
const DEFAULT_LIFESPAN: Duration = Duration::from_secs(900);

/// The attachment that Magic signs when an application names none.
const DEFAULT_ATTACHMENT: &str = "none";

/// A user's wallet for tests: mints DID tokens with any claim.
///
/// The key follows from the seed, so tests can name their users. Never accept such an issuer in
/// production: anyone who knows the seed can act as that user.
#[derive(Clone)]
pub struct Wallet {
    key: SigningKey,
}

impl Wallet {
    /// The wallet of a seed: its private key is the seed's keccak-256, hashed
    /// again in the (practically impossible) case that it is out of range.
    #[must_use]
    pub fn from_seed(seed: impl AsRef<[u8]>) -> Self {
        let mut hash = Keccak256::digest(seed);
        loop {
            if let Ok(key) = SigningKey::from_slice(&hash) {
                return Self { key };
            }
            hash = Keccak256::digest(hash);
        }
    }

    /// Who this wallet signs as.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        address_of(&VerifyingKey::from(&self.key).into()).into()
    }

    /// `personal_sign` (EIP-191): `0x` and the 130 hexadecimal digits of `r || s || v`.
    #[must_use]
    pub fn personal_sign(&self, message: impl AsRef<[u8]>) -> String {
        let (signature, recovery_id) =
            self.key.sign_prehash_recoverable(&prehash(message.as_ref()));
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery_id.to_byte());
        format!("0x{}", hex::encode(bytes))
    }

    /// Begins a token for `audience` with the claims that Magic's own tokens have.
    pub fn token(&self, audience: impl Into<String>) -> TokenBuilder<'_> {
        let now = Timestamp::from_secs(SystemClock.now().as_secs());
        TokenBuilder {
            wallet: self,
            audience: audience.into(),
            issued_at: now,
            lifespan: DEFAULT_LIFESPAN,
            attachment: DEFAULT_ATTACHMENT.to_owned(),
            changes: Vec::new(),
        }
    }

    /// A token with exactly this claim, be it sound or not.
    #[must_use]
    pub fn token_from_claim(&self, claim: &str) -> String {
        let envelope = serde_json::to_string(&[&self.personal_sign(claim), claim]);
        STANDARD.encode(envelope.expect("two strings are always JSON"))
    }
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// A token to be minted. Made by [`Wallet::token`].
///
/// Every minted token has a random `tid`, so two of them are never the same
/// token; set `tid` for a fixed one.
///
/// ```
/// use std::time::Duration;
/// use tower_didt::testing::Wallet;
/// use tower_didt::{TokenError, Verifier, Timestamp};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let alice = Wallet::from_seed("alice");
/// let short = alice.token("did:magic:my-app").issued_at(now).lifespan(Duration::ZERO).mint();
/// let broken = alice.token("did:magic:my-app").set("ext", "never").mint();
///
/// let verifier = Verifier::new("did:magic:my-app");
/// let late = verifier.verify(&short, Timestamp::from_secs(1_700_000_001));
/// assert!(matches!(late, Err(TokenError::Expired { .. })));
/// assert!(matches!(verifier.verify(&broken, now), Err(TokenError::Malformed(_))));
/// ```
#[derive(Clone, Debug)]
#[must_use = "call `mint` to get the token"]
pub struct TokenBuilder<'a> {
    wallet: &'a Wallet,
    audience: String,
    issued_at: Timestamp,
    lifespan: Duration,
    attachment: String,
    /// Fields to set, or, without a value, to leave out; later ones win.
    changes: Vec<(String, Option<Box<RawValue>>)>,
}

impl TokenBuilder<'_> {
    /// `iat` and `nbf`, and the begin of the lifespan. Defaults to the system's time, whole
    /// seconds.
    pub fn issued_at(mut self, time: Timestamp) -> Self {
        self.issued_at = time;
        self
    }

    /// How long after `iat` the token expires. Defaults to 900 seconds, as Magic's.
    pub fn lifespan(mut self, lifespan: Duration) -> Self {
        self.lifespan = lifespan;
        self
    }

    /// The attachment that `add` signs. Defaults to `none`, as Magic's.
    pub fn attachment(mut self, attachment: impl Into<String>) -> Self {
        self.attachment = attachment.into();
        self
    }

    /// Sets a field of the claim to any JSON value, in place of what it would be. A
    /// [`RawValue`] is written as it is.
    ///
    /// # Panics
    ///
    /// If `value` cannot be written as JSON.
    pub fn set(mut self, key: impl Into<String>, value: impl Serialize) -> Self {
        let value = to_raw_value(&value).expect("a value that can be written as JSON");
        self.changes.push((key.into(), Some(value)));
        self
    }

    /// Leaves a field of the claim out.
    pub fn without(mut self, key: impl Into<String>) -> Self {
        self.changes.push((key.into(), None));
        self
    }

    /// The claim's text.
    #[must_use]
    pub fn claim(&self) -> String {
        let mut claim = ClaimJson(Vec::new());
        // In the order of Magic's own tokens.
        claim.set("iat", self.issued_at);
        claim.set("ext", self.issued_at.plus(self.lifespan));
        claim.set("iss", self.wallet.issuer());
        claim.set("sub", STANDARD.encode(Keccak256::digest(self.wallet.issuer().to_string())));
        claim.set("aud", &self.audience);
        claim.set("nbf", self.issued_at);
        claim.set("tid", random_uuid());
        claim.set("add", self.wallet.personal_sign(&self.attachment));
        for (key, value) in &self.changes {
            claim.change(key, value.clone());
        }
        serde_json::to_string(&claim).expect("raw JSON values are always JSON")
    }

    /// The signed token.
    #[must_use]
    pub fn mint(&self) -> String {
        self.wallet.token_from_claim(&self.claim())
    }
}

/// A JSON object that keeps the order of its keys.
struct ClaimJson(Vec<(String, Box<RawValue>)>);

impl ClaimJson {
    fn set(&mut self, key: &str, value: impl Serialize) {
        self.change(key, Some(to_raw_value(&value).expect("text and numbers are always JSON")));
    }

    fn change(&mut self, key: &str, value: Option<Box<RawValue>>) {
        let position = self.0.iter().position(|(present, _)| present == key);
        match (position, value) {
            (Some(position), Some(value)) => {
                if let Some(entry) = self.0.get_mut(position) {
                    entry.1 = value;
                }
            }
            (Some(position), None) => {
                self.0.remove(position);
            }
            (None, Some(value)) => self.0.push((key.to_owned(), value)),
            (None, None) => {}
        }
    }
}

impl Serialize for ClaimJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// A random UUID (RFC 9562, version 4), the form of Magic's token ids.
fn random_uuid() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the operating system has random numbers");
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let digits = format!("{number:032x}");
    let groups = [0..8, 8..12, 12..16, 16..20, 20..32];
    groups.map(|group| digits.get(group).unwrap_or_default().to_owned()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::Verifier;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    #[test]
    fn a_minted_token_verifies_with_its_attachment() {
        let wallet = Wallet::from_seed("alice");
        let token = wallet.token("app").issued_at(NOW).attachment("hello").mint();
        let verifier = Verifier::new("app").with_attachment("hello");
        assert_eq!(verifier.verify(token, NOW).expect("a good token").issuer(), wallet.issuer());
    }

    #[test]
    fn fields_can_be_set_added_and_left_out() {
        let wallet = Wallet::from_seed("alice");
        let claim = wallet
            .token("app")
            .issued_at(NOW)
            .set("ext", 1.0000000000016881e21)
            .set("extra", [1, 2])
            .without("add")
            .without("nothing")
            .claim();
        assert!(claim.contains(r#""ext":1.0000000000016881e+21"#), "{claim}");
        assert!(claim.ends_with(r#","extra":[1,2]}"#), "{claim}");
        assert!(!claim.contains("\"add\""), "{claim}");
    }

    #[test]
    fn token_ids_are_version_4_uuids_and_differ() {
        let (one, two) = (random_uuid(), random_uuid());
        assert_ne!(one, two);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4');
        assert!(b"89ab".contains(&one.as_bytes()[19]));
    }
}
