//! A short-lived JWT that vouches for the caller, for upstreams that must not trust the network.
//!
//! Signed with ES256, EdDSA or RS256 (RFC 7518 sections 3.3 and 3.4, RFC 8037), whichever the key is
//! for; the public keys are served as a JWKS (RFC 7517).

mod key;
mod key_file;

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use serde_json::{Value, json};
use tower_didt::{Session, Timestamp};

use self::key::{Key, thumbprint};
pub(crate) use self::key_file::InvalidKey;
use super::config::Assertion;
use super::people::ascii_email;

/// Signs assertions.
pub(crate) struct Signer {
    /// In the order of the file.
    keys: Vec<Keyed>,
    random: SystemRandom,
    issuer: String,
    audience: String,
    lifetime: Duration,
}

/// A key and what it is published as.
struct Keyed {
    key: Key,
    /// The JOSE header, encoded: the same in every assertion.
    header: String,
    jwk: Value,
    /// It signs from then on; always, if nothing is said.
    from: Option<Timestamp>,
    /// It neither signs nor is published any more.
    until: Option<Timestamp>,
}

impl Signer {
    /// # Errors
    ///
    /// [`InvalidKey`] if the text has something else than P-256, Ed25519 and RSA keys in PKCS #8 and PEM, or if
    /// none of them signs now.
    pub(crate) fn new(config: &Assertion, now: Timestamp) -> Result<Self, InvalidKey> {
        let random = SystemRandom::new();
        let mut keys: Vec<Keyed> = Vec::new();
        for entry in key_file::read(config.key.expose())? {
            let key = Key::read(entry.der.secret_pkcs8_der(), &random)
                .ok_or(InvalidKey::NoKey { line: entry.line })?;
            let keyed = Keyed::new(key, entry.from, entry.until);
            if keys.iter().any(|other| other.jwk == keyed.jwk) {
                return Err(InvalidKey::Twice { line: entry.line });
            }
            keys.push(keyed);
        }
        let Assertion { issuer, audience, lifetime, .. } = config;
        let (issuer, audience, lifetime) = (issuer.clone(), audience.clone(), *lifetime);
        let signer = Self { keys, random, issuer, audience, lifetime };
        match signer.newest(now) {
            Some(_) => Ok(signer),
            None => Err(InvalidKey::NoneNow),
        }
    }

    /// The key that signs: of those whose time it is, the one that began last; of several, the first of the file.
    fn newest(&self, now: Timestamp) -> Option<&Keyed> {
        let valid = self
            .keys
            .iter()
            .rev()
            .filter(|keyed| keyed.from.is_none_or(|from| from <= now) && !keyed.is_over(now));
        valid.max_by_key(|keyed| keyed.from)
    }

    /// Returns an assertion of who is calling: `sub` is the issuer (the token's and the session's,
    /// `did:ethr:0x…`), `address` its address, `sid` the session's handle, if there is a session.
    /// Valid for the configured time, but never longer than the session or than its key is published.
    ///
    /// # Errors
    ///
    /// [`Unsigned`] if the system's random number generator fails, or no key's time is now.
    pub(crate) fn sign(&self, session: &Session, now: Timestamp) -> Result<String, Unsigned> {
        let keyed = self.newest(now).ok_or(Unsigned(()))?;
        let end = now.plus(self.lifetime).min(session.expires_at());
        let end = keyed.until.map_or(end, |until| end.min(until));
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
        let signed = format!("{}.{claims}", keyed.header);
        let signature = keyed.key.sign(&self.random, signed.as_bytes()).ok_or(Unsigned(()))?;
        Ok(format!("{signed}.{signature}"))
    }

    /// The public keys, as a JSON Web Key Set: those that sign, will sign, or did until a moment ago.
    pub(crate) fn jwks(&self, now: Timestamp) -> String {
        let published = self.keys.iter().filter(|keyed| !keyed.is_over(now));
        json!({ "keys": published.map(|keyed| &keyed.jwk).collect::<Vec<_>>() }).to_string()
    }
}

impl Keyed {
    fn new(key: Key, from: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let mut jwk = key.public();
        let id = thumbprint(&jwk);
        let header = json!({ "alg": key.algorithm(), "kid": id, "typ": "JWT" });
        if let Value::Object(members) = &mut jwk {
            members.insert("alg".to_owned(), key.algorithm().into());
            members.insert("kid".to_owned(), id.into());
            members.insert("use".to_owned(), "sig".into());
        }
        Self { key, header: URL_SAFE_NO_PAD.encode(header.to_string()), jwk, from, until }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|keyed| &keyed.jwk).collect();
        f.debug_struct("Signer").field("keys", &keys).finish_non_exhaustive()
    }
}

/// An assertion could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsigned(());

#[cfg(test)]
mod tests;
