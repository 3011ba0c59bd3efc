//! Whose tokens, proxies and pages are believed.

use std::collections::HashSet;

use tower_didt::{Audiences, DidAuth, Verifier};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::peer::TrustedProxies;

pub(in crate::serve::config) fn audiences(
    settings: &mut Settings<'_>,
) -> Result<Audiences, Invalid> {
    const KEY: &str = "audiences";
    let audiences = settings.list(KEY)?;
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
    no_duplicates(settings, KEY, &audiences)?;
    Ok(audiences.into())
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
    if !origins.is_empty() {
        // The layer's own judgement, so that the server cannot fail on them later.
        DidAuth::new(Verifier::new(""))
            .with_trusted_origins(&origins)
            .map_err(|error| settings.invalid(KEY, error))?;
    }
    Ok(origins)
}

fn no_duplicates(settings: &Settings<'_>, key: &str, items: &[String]) -> Result<(), Invalid> {
    let mut seen = HashSet::new();
    match items.iter().find(|item| !seen.insert(*item)) {
        Some(twice) => Err(settings.invalid(key, format_args!("{twice:?} stands there twice"))),
        None => Ok(()),
    }
}
