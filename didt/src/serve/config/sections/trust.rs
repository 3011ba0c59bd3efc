//! Whose tokens, proxies and pages are believed.

use std::collections::HashSet;

use tower_didt::token::InvalidAudience;
use tower_didt::{Audiences, DidAuth, Verifier};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::peer::TrustedProxies;

pub(in crate::serve::config) fn audiences(
    settings: &mut Settings<'_>,
) -> Result<Option<Audiences>, Invalid> {
    const KEY: &str = "audiences";
    const EXPECTED: &str = "expected your application's client id, such as \
                            \"did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba\"";
    let audiences = settings.list(KEY)?;
    if audiences.is_empty() && !settings.is_given(KEY) && settings.is_given("magic.secret_key_file")
    {
        // The secret key's own application, which Magic names at the start.
        return Ok(None);
    }
    if audiences.is_empty() {
        return Err(settings.invalid(
            KEY,
            "missing; expected your application's Magic client id, such as [\"did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba\"]",
        ));
    }
    for audience in &audiences {
        Audiences::from(audience.as_str()).check().map_err(|fault| match fault {
            InvalidAudience::PublishableKey => settings.invalid(
                KEY,
                format_args!("{audience:?} is a publishable API key of Magic's; {EXPECTED}"),
            ),
            // It is a secret, and stays out of what is printed.
            InvalidAudience::SecretKey => settings.invalid(
                KEY,
                format_args!(
                    "has a secret API key of Magic's, which must not stand in settings; {EXPECTED}"
                ),
            ),
            fault => settings.invalid(KEY, fault),
        })?;
    }
    no_duplicates(settings, KEY, &audiences)?;
    Ok(Some(audiences.into()))
}

pub(in crate::serve::config) fn trusted_proxies(
    settings: &mut Settings<'_>,
) -> Result<TrustedProxies, Invalid> {
    const KEY: &str = "trusted_proxies";
    let proxies = settings.list(KEY)?;
    no_duplicates(settings, KEY, &proxies)?;
    TrustedProxies::new(proxies.iter().map(String::as_str))
        .map_err(|error| settings.invalid(KEY, error))
}

pub(in crate::serve::config) fn trusted_origins(
    settings: &mut Settings<'_>,
) -> Result<Vec<String>, Invalid> {
    const KEY: &str = "trusted_origins";
    let origins = settings.list(KEY)?;
    no_duplicates(settings, KEY, &origins)?;
    for origin in &origins {
        // The layer's own judgement, so that the server cannot fail on them later.
        DidAuth::new(Verifier::new("unused")).with_trusted_origins([origin]).map_err(|error| {
            settings.invalid(
                KEY,
                format_args!("{origin:?}: {error}; for example, \"https://app.example.com\""),
            )
        })?;
    }
    Ok(origins)
}

fn no_duplicates(settings: &Settings<'_>, key: &str, items: &[String]) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    match items.iter().find(|item| !seen.insert(*item)) {
        Some(twice) => Err(settings.invalid(key, format_args!("{twice:?} is listed twice"))),
        None => Ok(()),
    }
}
