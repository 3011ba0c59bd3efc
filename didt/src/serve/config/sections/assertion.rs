//! `[assertion]`.

use std::time::Duration;

use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use super::{HOUR, SECOND};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::secret::Secret;
use crate::serve::config::settings::Settings;

/// A short-lived JWT that vouches for the caller towards upstreams that must not trust the network.
#[derive(Debug)]
pub(crate) struct Assertion {
    /// `iss`.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// From `iat` to `exp`. Defaults to 60 seconds.
    pub(crate) lifetime: Duration,
    /// PKCS #8 keys, PEM: P-256 (ES256), Ed25519 (EdDSA) or RSA (RS256), with their times. The text of the file.
    pub(crate) key: Secret,
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

const KEYS: [&str; 4] =
    ["assertion.issuer", "assertion.audience", "assertion.lifetime", "assertion.key_file"];

pub(in crate::serve::config) fn assertion(
    settings: &mut Settings<'_>,
) -> Result<Option<Assertion>, Invalid> {
    let [issuer_key, audience_key, lifetime_key, file_key] = KEYS;
    let issuer = settings.parsed(issuer_key, name)?;
    let audience = settings.parsed(audience_key, name)?;
    let lifetime = settings.span_or(lifetime_key, DEFAULT_LIFETIME, SECOND..=HOUR)?;
    let key = settings.secret(file_key)?;
    let Some(given) = KEYS.iter().find(|key| settings.is_given(key)) else { return Ok(None) };
    let missing = |key: &str| settings.invalid(given, format_args!("an assertion needs {key} too"));
    let issuer = issuer.ok_or_else(|| missing(issuer_key))?;
    let audience = audience.ok_or_else(|| missing(audience_key))?;
    let key = key.ok_or_else(|| missing(file_key))?;
    PrivatePkcs8KeyDer::from_pem_slice(key.expose().as_bytes()).map_err(|_| {
        settings.invalid(
            file_key,
            "the file has no PKCS #8 key in PEM; `didt keygen ed25519` makes one",
        )
    })?;
    Ok(Some(Assertion { issuer, audience, lifetime, key }))
}

fn name(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || text.contains(char::is_control) {
        return Err("is no name; expected one, such as https://auth.example.com");
    }
    Ok(text.to_owned())
}
