//! Whose tokens, proxies and pages are believed.

use std::collections::HashSet;

use tower_didt::{Audiences, DidAuth, Verifier};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::peer::TrustedProxies;

pub(in crate::serve::config) fn audiences(
    settings: &mut Settings<'_>,
) -> Result<Option<Audiences>, Invalid> {
    const KEY: &str = "audiences";
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
    // A token's audience is compared byte for byte: one with a blank is a slip of the hand.
    if audiences.iter().any(|one| one.is_empty() || one.contains(char::is_whitespace)) {
        return Err(settings.invalid(KEY, "an audience must not be empty or have blanks"));
    }
    if let Some(problem) = audiences.iter().find_map(|audience| api_key(audience)) {
        return Err(settings.invalid(KEY, problem));
    }
    no_duplicates(settings, KEY, &audiences)?;
    Ok(Some(audiences.into()))
}

/// What is wrong with an audience that is a key of Magic's API. No token names one.
fn api_key(audience: &str) -> Option<String> {
    const EXPECTED: &str = "expected your application's client id, such as \
                            \"did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba\"";
    let key = |kind| audience.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(kind));
    if key("sk_") {
        // It is a secret, and stays out of what is printed.
        return Some(format!(
            "has a secret API key of Magic's, which must not stand in settings; {EXPECTED}"
        ));
    }
    key("pk_").then(|| format!("{audience:?} is a publishable API key of Magic's; {EXPECTED}"))
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
        DidAuth::new(Verifier::new("")).with_trusted_origins([origin]).map_err(|error| {
            settings.invalid(
                KEY,
                format_args!("{origin:?}: {error}, such as \"https://app.example.com\""),
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
