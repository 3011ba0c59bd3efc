//! `[cookie]`.

use tower_didt::{SameSite, SessionCookie};

use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

const DEFAULT_NAME: &str = "didt";

pub(in crate::serve::config) fn cookie(
    settings: &mut Settings<'_>,
) -> Result<SessionCookie, Invalid> {
    let name = settings.parsed_or("cookie.name", DEFAULT_NAME, |name| {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("__host-") || lower.starts_with("__secure-") {
            return Err(
                "has a prefix; expected the name alone, the prefix is put in front".to_owned()
            );
        }
        SessionCookie::named(name).map_err(|error| format!("cannot be; {error}"))?;
        Ok(name.to_owned())
    })?;
    let cookie = settings.parsed("cookie.domain", |domain| {
        SessionCookie::for_sub_domains(&name, domain).map_err(|error| format!("cannot be; {error}"))
    })?;
    let same_site = settings.choice(
        "cookie.same_site",
        &[("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)],
    )?;
    let cookie = match cookie {
        Some(cookie) => cookie,
        None => {
            SessionCookie::named(&name).map_err(|error| settings.invalid("cookie.name", error))?
        }
    };
    Ok(cookie.with_same_site(same_site))
}
