//! Magic's Admin API, as the configuration wants it.

use std::time::Duration;

use tower_didt::magic::{AdminApi, Magic, MagicConfigError, MagicError};
use tower_didt::{Audiences, MagicSignIn, Session};
use tracing::{info, warn};

use super::config::{self, Config};

/// The pauses between attempts to learn the client id: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The client for Magic's Admin API.
pub(crate) fn client(settings: &config::Magic) -> Result<Magic, MagicConfigError> {
    let api = AdminApi::new(settings.secret_key.clone())?.with_time_budget(settings.timeout);
    let api = match &settings.api_url {
        Some(url) => api.with_url(url)?,
        None => api,
    };
    Ok(Magic::over(api).with_fresh_for(settings.fresh_for).with_stale_until(settings.stale_until))
}

/// What a sign-in asks Magic, where `[magic]` is configured. A key that Magic does not know signs
/// in only where a rule could let it pass.
pub(crate) fn sign_in(config: &Config, magic: Option<&Magic>) -> Option<MagicSignIn> {
    let settings = config.magic.as_ref()?;
    let mut policy = MagicSignIn::new(magic?.clone()).with_renewal_after(settings.renew_after);
    if config.policy.admits_unknown_keys() {
        policy = policy.admitting_unknown_users();
    }
    if !settings.required {
        policy = policy.admitting_while_unavailable();
    }
    Some(policy)
}

/// The audience of the secret key's application. Asks until Magic says, or refuses the key: without
/// an audience nothing is served.
pub(crate) async fn audience(magic: &Magic) -> Result<Audiences, MagicError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match magic.client_id().await {
            Ok(id) => {
                info!(client_id = id, "accepting tokens of the secret key's application");
                return Ok(Audiences::from(id));
            }
            Err(error @ (MagicError::Unavailable(_) | MagicError::RateLimited { .. })) => {
                let wait = match &error {
                    MagicError::RateLimited { retry_after: Some(wait) } => pause.max(*wait),
                    _ => pause,
                };
                warn!(%error, wait_seconds = wait.as_secs(), "waiting for the client id from Magic before serving");
                tokio::time::sleep(wait).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The e-mail address, if it is one that a header and an upstream's table can hold: all ASCII.
pub(crate) fn ascii_email(session: &Session) -> Option<String> {
    let user = session.magic_user()?;
    user.email().filter(|email| email.is_ascii()).map(ToString::to_string)
}

#[cfg(test)]
mod tests;
