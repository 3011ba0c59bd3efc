//! A short-lived JWT that vouches for the caller, for upstreams that must not trust the network.
//!
//! Signed with ES256 or EdDSA (RFC 7518 section 3.4, RFC 8037), whichever the key is for; the
//! public key is served as a JWKS (RFC 7517).

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower_didt::{Session, Timestamp};

use super::config::Assertion;

/// Signs assertions.
pub(crate) struct Signer {
    key: Key,
    random: SystemRandom,
    /// The JOSE header, encoded: the same in every assertion.
    header: String,
    jwks: String,
    issuer: String,
    audience: String,
    lifetime: Duration,
}

enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    /// # Errors
    ///
    /// [`InvalidKey`] if the key is no PKCS #8 PEM text of a P-256 or Ed25519 key.
    pub(crate) fn new(config: &Assertion) -> Result<Self, InvalidKey> {
        let random = SystemRandom::new();
        let der = PrivatePkcs8KeyDer::from_pem_slice(config.key.expose().as_bytes());
        let der = der.map_err(|_| InvalidKey(()))?;
        let key = Key::read(der.secret_pkcs8_der(), &random)?;
        let jwk = key.public();
        let id = thumbprint(&jwk);
        let header = json!({ "alg": key.algorithm(), "kid": id, "typ": "JWT" });
        let mut listed = jwk;
        if let Value::Object(members) = &mut listed {
            members.insert("alg".to_owned(), key.algorithm().into());
            members.insert("kid".to_owned(), id.into());
            members.insert("use".to_owned(), "sig".into());
        }
        Ok(Self {
            header: URL_SAFE_NO_PAD.encode(header.to_string()),
            jwks: json!({ "keys": [listed] }).to_string(),
            key,
            random,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            lifetime: config.lifetime,
        })
    }

    /// Says who is calling: `sub` is the issuer (the token's and the session's, `did:ethr:0x…`),
    /// `address` its address, `sid` the session's handle where there is one. Good for the
    /// configured time, but never longer than the session.
    ///
    /// # Errors
    ///
    /// [`Unsigned`] if the system gives no random numbers.
    pub(crate) fn sign(&self, session: &Session, now: Timestamp) -> Result<String, Unsigned> {
        let end = now.plus(self.lifetime).min(session.expires_at());
        let mut claims = json!({
            "iss": self.issuer,
            "aud": self.audience,
            "sub": session.issuer(),
            "address": session.address().to_string(),
            "iat": now.as_secs(),
            "exp": end.as_secs(),
        });
        if let (Some(handle), Value::Object(members)) = (session.handle(), &mut claims) {
            members.insert("sid".to_owned(), handle.to_string().into());
        }
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        let signed = format!("{}.{claims}", self.header);
        let signature = self.key.sign(&self.random, signed.as_bytes())?;
        Ok(format!("{signed}.{signature}"))
    }

    /// The public key, as a JSON Web Key Set.
    pub(crate) fn jwks(&self) -> &str {
        &self.jwks
    }
}

impl Key {
    fn read(pkcs8: &[u8], random: &SystemRandom) -> Result<Self, InvalidKey> {
        let es256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, random);
        if let Ok(key) = es256 {
            return Ok(Self::Es256(key));
        }
        // OpenSSL writes Ed25519 keys without the public half, which is then derived.
        let ed25519 = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8);
        ed25519.map(Self::EdDsa).map_err(|_| InvalidKey(()))
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    /// The members of the JWK that make its thumbprint.
    fn public(&self) -> Value {
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
        }
    }

    fn sign(&self, random: &SystemRandom, text: &[u8]) -> Result<String, Unsigned> {
        match self {
            Self::Es256(key) => {
                let signature = key.sign(random, text).map_err(|_| Unsigned(()))?;
                Ok(URL_SAFE_NO_PAD.encode(signature))
            }
            Self::EdDsa(key) => Ok(URL_SAFE_NO_PAD.encode(key.sign(text))),
        }
    }
}

/// RFC 7638: SHA-256 of the required members in the order of their names, which is how
/// `serde_json` writes them.
fn thumbprint(jwk: &Value) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jwk.to_string()))
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("jwks", &self.jwks).finish_non_exhaustive()
    }
}

/// The key of assertions is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidKey(());

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the key of assertions must be a P-256 or Ed25519 key in PKCS #8 form, PEM \
             (openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256)",
        )
    }
}

impl std::error::Error for InvalidKey {}

/// An assertion could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsigned(());
