//! A private key that signs, and its public half.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(super) enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Key {
    /// RSA keys have 2048 bits or more (RFC 7518 section 3.3) and 4096 or fewer, by `ring`'s rules.
    pub(super) fn read(pkcs8: &[u8], random: &SystemRandom) -> Option<Self> {
        let es256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random);
        if let Ok(key) = es256 {
            return Some(Self::Es256(key));
        }
        // OpenSSL writes Ed25519 keys without the public half, which is then derived.
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
            return Some(Self::EdDsa(key));
        }
        RsaKeyPair::from_pkcs8(pkcs8).ok().map(|key| Self::Rs256(Box::new(key)))
    }

    pub(super) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
        }
    }

    /// The members of the JWK that make its thumbprint.
    pub(super) fn public(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(key) => {
                // 0x04, x, y.
                let point = key.public_key().as_ref();
                let (x, y) =
                    point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
                json!({ "crv": "P-256", "kty": "EC", "x": encode(x), "y": encode(y) })
            }
            Self::EdDsa(key) => {
                json!({ "crv": "Ed25519", "kty": "OKP", "x": encode(key.public_key().as_ref()) })
            }
            Self::Rs256(key) => {
                let public: PublicKeyComponents<Vec<u8>> = key.public().into();
                json!({ "e": encode(&public.e), "kty": "RSA", "n": encode(&public.n) })
            }
        }
    }

    /// The signature, encoded; `None` if the system has no randomness.
    pub(super) fn sign(&self, random: &SystemRandom, text: &[u8]) -> Option<String> {
        let signature = match self {
            Self::Es256(key) => key.sign(random, text).ok()?.as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(text).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, random, text, &mut signature).ok()?;
                signature
            }
        };
        Some(URL_SAFE_NO_PAD.encode(signature))
    }
}

/// RFC 7638: SHA-256 of the required members in the order of their names, which is how
/// `serde_json` writes them.
pub(super) fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.to_string()))
}
