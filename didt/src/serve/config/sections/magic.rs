//! `[magic]`.

use std::time::Duration;

use tower_didt::magic::AdminApi;

use super::{DAY, HOUR, SECOND};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use tower_didt::magic::SecretKey;

/// Who people are: Magic's Admin API.
#[derive(Clone, Debug)]
pub(crate) struct Magic {
    pub(crate) secret_key: SecretKey,
    /// Defaults to Magic's own URL.
    pub(crate) api_url: Option<String>,
    /// Whether sign-in is refused while Magic cannot be asked. Defaults to yes.
    pub(crate) required: bool,
    /// For a call, retry included. Defaults to 3 seconds.
    pub(crate) timeout: Duration,
    /// For how long a profile is not asked for again. Defaults to 5 minutes.
    pub(crate) fresh_for: Duration,
    /// How old a profile may become while Magic fails. Defaults to an hour.
    pub(crate) stale_until: Duration,
    /// The age at which the profile of a session in use is renewed. Defaults to an hour.
    pub(crate) renew_after: Duration,
    /// Whether signing out ends Magic's session too. Defaults to no.
    pub(crate) sign_out: bool,
}

const KEY: &str = "magic.secret_key_file";

const API_URL: &str = "magic.api_url";

/// A call that takes longer keeps a visitor waiting in front of a blank page.
const LONGEST_CALL: Duration = Duration::from_secs(30);

/// The settings that mean nothing without a secret key.
const OPTIONS: [&str; 7] = [
    API_URL,
    "magic.required",
    "magic.timeout",
    "magic.fresh_for",
    "magic.stale_until",
    "magic.renew_after",
    "magic.sign_out",
];

pub(in crate::serve::config) fn magic(
    settings: &mut Settings<'_>,
) -> Result<Option<Magic>, Invalid> {
    let secret = settings.secret(KEY)?;
    if secret.is_none()
        && let Some(key) = OPTIONS.into_iter().find(|key| settings.is_given(key))
    {
        return Err(settings.invalid(key, format_args!("has no effect without {KEY}")));
    }
    let api_url = settings.parsed(API_URL, |text| match AdminApi::is_url(text) {
        true => Ok(text.to_owned()),
        false => Err("is neither https:// and a host, nor http:// and a loopback address"),
    })?;
    let required = settings.flag_or("magic.required", true)?;
    let minute = SECOND.saturating_mul(60);
    let timeout = settings.span_or(
        "magic.timeout",
        SECOND.saturating_mul(3),
        Duration::from_millis(100)..=LONGEST_CALL,
    )?;
    let fresh_for = settings.span_or("magic.fresh_for", minute.saturating_mul(5), SECOND..=DAY)?;
    let stale_until =
        settings.span_or("magic.stale_until", HOUR, SECOND..=DAY.saturating_mul(7))?;
    if stale_until < fresh_for {
        return Err(settings.invalid("magic.stale_until", "is shorter than magic.fresh_for"));
    }
    let renew_after =
        settings.span_or("magic.renew_after", HOUR, SECOND..=DAY.saturating_mul(30))?;
    let sign_out = settings.flag_or("magic.sign_out", false)?;
    let Some(secret) = secret else { return Ok(None) };
    let secret_key = secret.expose().parse().map_err(|error| {
        settings.invalid(KEY, format_args!("the file has no secret key: {error}"))
    })?;
    Ok(Some(Magic {
        secret_key,
        api_url,
        required,
        timeout,
        fresh_for,
        stale_until,
        renew_after,
        sign_out,
    }))
}
