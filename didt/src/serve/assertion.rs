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
use super::people::ascii_email;

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
    /// [`InvalidKey`] if the text is not a P-256 or Ed25519 key in PKCS #8 and PEM.
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

    /// Returns an assertion of who is calling: `sub` is the issuer (the token's and the session's,
    /// `did:ethr:0x…`), `address` its address, `sid` the session's handle, if there is a session.
    /// Valid for the configured time, but never longer than the session.
    ///
    /// # Errors
    ///
    /// [`Unsigned`] if the system's random number generator fails.
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
        // Magic has verified it: OpenID Connect's words for that (Core 1.0, section 5.1).
        if let (Some(email), Value::Object(members)) = (ascii_email(session), &mut claims) {
            members.insert("email".to_owned(), email.into());
            members.insert("email_verified".to_owned(), true.into());
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

/// The assertion key is unusable.
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

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
    use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

    use super::super::config::Secret;
    use super::super::test_support::{
        Gateway, PROXY, START, alice, bearer, config, empty, get, with_cookie,
    };
    use super::*;

    fn settings(key: impl Into<String>) -> Assertion {
        Assertion {
            issuer: "https://auth.example.com".to_owned(),
            audience: "https://api.example.com".to_owned(),
            lifetime: Duration::from_secs(60),
            key: Secret::new(key.into()),
        }
    }

    fn generate(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
        rcgen::KeyPair::generate_for(algorithm).expect("a key").serialize_pem()
    }

    fn decode(part: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part).expect("base64")
    }

    fn json_of(part: &str) -> Value {
        serde_json::from_slice(&decode(part)).expect("JSON")
    }

    /// Checks an assertion with the key that the key set names, and gives its claims.
    fn verify(assertion: &str, jwks: &Value) -> Value {
        let parts: Vec<_> = assertion.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("three parts: {assertion}") };
        let (header, jwk) = (json_of(header), &jwks["keys"][0]);
        assert_eq!((&header["kid"], &header["alg"]), (&jwk["kid"], &jwk["alg"]));
        assert_eq!(header["typ"], "JWT");
        let coordinate = |name: &str| decode(jwk[name].as_str().expect(name));
        let (signed, _) = assertion.rsplit_once('.').expect("a signature");
        let verified = if header["alg"] == "ES256" {
            let point = [vec![4], coordinate("x"), coordinate("y")].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &decode(signature))
        } else {
            let key = UnparsedPublicKey::new(&ED25519, coordinate("x"));
            key.verify(signed.as_bytes(), &decode(signature))
        };
        verified.expect("the key set's key signed it");
        json_of(claims)
    }

    #[tokio::test]
    async fn an_assertion_vouches_for_the_caller_under_a_key_that_is_served() {
        for (algorithm, name) in [(&PKCS_ECDSA_P256_SHA256, "ES256"), (&PKCS_ED25519, "EdDSA")] {
            let mut config = config();
            config.assertion = Some(settings(generate(algorithm)));
            let gateway = Gateway::new(config);
            let keys = gateway.send(PROXY, empty(get("/auth/jwks.json"))).await;
            assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
            assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
            let keys = keys.json();
            assert_eq!(keys["keys"][0]["alg"], name);
            assert_eq!(keys["keys"][0].get("d"), None, "{name}: the private half stays here");

            let question = || {
                get("/check/nginx")
                    .header("x-original-method", "GET")
                    .header("x-original-scheme", "https")
                    .header("x-original-host", "app.example.com")
                    .header("x-original-uri", "/app")
            };
            let cookie = gateway.sign_in(&alice()).await;
            let answer = gateway.send(PROXY, empty(with_cookie(question(), &cookie))).await;
            let claims = verify(answer.header("x-auth-assertion").expect("one"), &keys);
            let expected = json!({
                "iss": "https://auth.example.com",
                "aud": "https://api.example.com",
                "sub": alice().issuer(),
                "address": alice().issuer().address().to_string(),
                "sid": answer.header("x-auth-session"),
                "iat": START.as_secs(),
                "exp": START.as_secs() + 60,
            });
            assert_eq!(claims, expected, "{name}");

            // A token that expires sooner than the assertion would.
            let alice = alice();
            let token = alice.token(super::super::test_support::AUDIENCE);
            let token = token.issued_at(START).lifespan(Duration::from_secs(20)).mint();
            let answer = gateway.send(PROXY, empty(bearer(question(), &token))).await;
            let claims = verify(answer.header("x-auth-assertion").expect("one"), &keys);
            assert_eq!(claims["exp"], START.as_secs() + 20, "{name}");
            assert_eq!(claims.get("sid"), None, "{name}");

            let denied = gateway.send(PROXY, empty(question())).await;
            assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
            assert_eq!(denied.header("x-auth-assertion"), None, "{name}");
        }
    }

    #[test]
    fn only_a_p_256_or_ed25519_key_will_do() {
        let pkcs1 = "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n";
        for bad in ["", "secret", pkcs1, &generate(&PKCS_ECDSA_P384_SHA384)] {
            assert!(Signer::new(&settings(bad)).is_err(), "{bad:?}");
        }
    }

    /// RFC 7638 section 3.1 has its example for RSA; RFC 8037 appendix A.3 for Ed25519.
    #[test]
    fn a_keys_id_is_its_thumbprint() {
        let jwk = json!({
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        });
        assert_eq!(thumbprint(&jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn nothing_shows_the_private_key() {
        let pem = generate(&PKCS_ED25519);
        let settings = settings(pem.clone());
        let signer = Signer::new(&settings).expect("a key");
        let line = pem.lines().nth(1).expect("a line of base64");
        assert!(!format!("{settings:?} {signer:?}").contains(line));
    }
}
