//! `[sessions]`.

use std::num::NonZeroUsize;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use tower_didt::store::DEFAULT_MAX_SESSIONS_PER_ISSUER;
use tower_didt::{BoundLogin, Lifetimes, RememberMe, Replay, SessionLimit};
use zeroize::Zeroizing;

use super::{DAY, HOUR, LONGEST, SECOND};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::config::value::Raw;
use crate::serve::sites::SiteName;
use tower_didt::token::DEFAULT_LEEWAY;

#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) lifetimes: Lifetimes,
    /// Where people choose whether their session outlives the browser's.
    pub(crate) remember_me: Option<RememberMe>,
    pub(crate) max_per_issuer: SessionLimit,
    pub(crate) replay: Replay,
    pub(crate) max_token_age: Duration,
    pub(crate) leeways: Leeways,
    pub(crate) bound_login: Option<BoundLogin>,
}

impl Sessions {
    /// The longest that any session lives.
    pub(crate) fn longest_lifetime(&self) -> Duration {
        let remembered = self.remember_me.map(|remember_me| remember_me.lifetimes().absolute());
        remembered.unwrap_or_default().max(self.lifetimes.absolute())
    }
}

/// How far the clocks of devices that make tokens may differ from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leeways {
    /// How far ahead of our clock `nbf` may be. Defaults to 5 minutes.
    pub(crate) not_before: Duration,
    /// How far ahead of our clock `iat` may be. Defaults to 5 minutes.
    pub(crate) issued_at: Duration,
    /// For how long after `ext` a token is still accepted. Defaults to none.
    pub(crate) expiry: Duration,
}

impl Default for Leeways {
    fn default() -> Self {
        Self { not_before: DEFAULT_LEEWAY, issued_at: DEFAULT_LEEWAY, expiry: Duration::ZERO }
    }
}

const DEFAULT_LIFETIME: Duration = DAY.saturating_mul(7);

/// The life of Magic's own tokens.
const DEFAULT_MAX_TOKEN_AGE: Duration = Duration::from_secs(900);

/// Nobody signs in more often than this without signing out.
const MAX_PER_ISSUER: u64 = 10_000;

/// The word for no limit.
const UNLIMITED: &str = "unlimited";

#[derive(Clone, Copy, PartialEq)]
enum Binding {
    Off,
    Optional,
    Required,
}

pub(in crate::serve::config) fn sessions(settings: &mut Settings<'_>) -> Result<Sessions, Invalid> {
    let lifetime = lifetime(settings)?;
    let mut lifetimes = Lifetimes::new(lifetime);
    match settings.span("sessions.idle_timeout", SECOND..=LONGEST)? {
        Some(idle) if idle > lifetime => {
            return Err(settings.invalid(
                "sessions.idle_timeout",
                format_args!(
                    "is longer than sessions.lifetime ({}), so it would never end a session",
                    humantime::format_duration(lifetime)
                ),
            ));
        }
        Some(idle) => lifetimes = lifetimes.with_idle_timeout(idle),
        None => settings.explain("sessions.idle_timeout", "none"),
    }
    let remembered = remembered_lifetime(settings, lifetime)?;
    let remember_me =
        remembered.map(|span| RememberMe::new(Lifetimes::new(span)).chosen_by_people());
    let max_per_issuer = max_per_issuer(settings)?;
    let replay = settings.choice(
        "sessions.replay",
        &[
            ("authenticate", Replay::Authenticate),
            ("single_use", Replay::SingleUse),
            ("newest_only", Replay::NewestOnly),
        ],
    )?;
    let max_token_age =
        settings.span_or("sessions.max_token_age", DEFAULT_MAX_TOKEN_AGE, SECOND..=LONGEST)?;
    let default = Leeways::default();
    let mut leeway = |key, default| settings.span_or(key, default, Duration::ZERO..=HOUR);
    let leeways = Leeways {
        not_before: leeway("sessions.not_before_leeway", default.not_before)?,
        issued_at: leeway("sessions.issued_at_leeway", default.issued_at)?,
        expiry: leeway("sessions.expiry_leeway", default.expiry)?,
    };
    let bound_login = bound_login(settings)?;
    Ok(Sessions {
        lifetimes,
        remember_me,
        max_per_issuer,
        replay,
        max_token_age,
        leeways,
        bound_login,
    })
}

/// From signing in to the end, of the session that lives longest.
pub(in crate::serve::config) fn longest_lifetime(
    settings: &mut Settings<'_>,
) -> Result<Duration, Invalid> {
    let lifetime = lifetime(settings)?;
    Ok(remembered_lifetime(settings, lifetime)?.unwrap_or(lifetime))
}

/// The same for people who choose to stay signed in.
fn remembered_lifetime(
    settings: &mut Settings<'_>,
    lifetime: Duration,
) -> Result<Option<Duration>, Invalid> {
    const KEY: &str = "sessions.remembered_lifetime";
    let remembered = settings.span(KEY, SECOND..=LONGEST)?;
    match remembered {
        Some(span) if span < lifetime => {
            return Err(settings.invalid(
                KEY,
                format_args!(
                    "is shorter than sessions.lifetime ({}), so who asks to stay signed in would be \
                     signed out first",
                    humantime::format_duration(lifetime)
                ),
            ));
        }
        Some(_) => {}
        None => settings.explain(KEY, "none"),
    }
    Ok(remembered)
}

/// From signing in to the end.
fn lifetime(settings: &mut Settings<'_>) -> Result<Duration, Invalid> {
    settings.span_or("sessions.lifetime", DEFAULT_LIFETIME, SECOND..=LONGEST)
}

fn max_per_issuer(settings: &mut Settings<'_>) -> Result<SessionLimit, Invalid> {
    const KEY: &str = "sessions.max_per_issuer";
    let read = |raw: &Raw<'_>| {
        if raw.text().as_deref() == Some(UNLIMITED) {
            return Some(SessionLimit::Unlimited);
        }
        let max = raw.whole().filter(|max| (1..=MAX_PER_ISSUER).contains(max))?;
        usize::try_from(max).ok().and_then(NonZeroUsize::new).map(SessionLimit::AtMost)
    };
    let expected = format!("a whole number from 1 to {MAX_PER_ISSUER}, or \"{UNLIMITED}\"");
    let limit = settings.read(KEY, read, &expected)?.unwrap_or_default();
    match limit {
        SessionLimit::Unlimited => settings.explain(KEY, UNLIMITED),
        SessionLimit::AtMost(max) => settings.explain(KEY, max),
        SessionLimit::Default => settings.explain(KEY, DEFAULT_MAX_SESSIONS_PER_ISSUER),
    }
    Ok(limit)
}

fn bound_login(settings: &mut Settings<'_>) -> Result<Option<BoundLogin>, Invalid> {
    const KEY: &str = "sessions.bound_login_key_file";
    let binding = settings.choice(
        "sessions.bound_login",
        &[("off", Binding::Off), ("optional", Binding::Optional), ("required", Binding::Required)],
    )?;
    let secret = settings.secret(KEY)?;
    let bound = match binding {
        Binding::Optional => BoundLogin::optional(),
        Binding::Required => BoundLogin::required(),
        Binding::Off if secret.is_some() => {
            return Err(settings.invalid(
                KEY,
                "has no effect; expected sessions.bound_login \"optional\" or \"required\"",
            ));
        }
        Binding::Off => return Ok(None),
    };
    let Some(secret) = secret else { return Ok(Some(bound)) };
    let key = key(secret.expose()).ok_or_else(|| {
        settings.invalid(KEY, "the file must contain 32 random bytes as base64 or hexadecimal digits; `didt keygen` makes them")
    })?;
    Ok(Some(bound.with_key(match settings.site() {
        Some(site) => *of_site(&key, &site.name),
        None => *key,
    })))
}

/// The key of one of several sites that have the same file: a challenge of one is unknown to the others.
fn of_site(key: &[u8; 32], site: &SiteName) -> Zeroizing<[u8; 32]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, format!("didt challenges of the site {site}").as_bytes());
    let mut of_site = Zeroizing::new([0; 32]);
    // An HMAC of SHA-256 has 32 bytes, too.
    of_site.iter_mut().zip(tag.as_ref()).for_each(|(byte, of_tag)| *byte = *of_tag);
    of_site
}

/// A key as `didt keygen` makes it, or `openssl rand -hex 32`, or `openssl rand -base64 32`.
fn key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(match text.len() {
        64 => hex::decode(text).ok()?,
        43 => URL_SAFE_NO_PAD.decode(text).ok()?,
        _ => STANDARD.decode(text).ok()?,
    });
    // One byte over and over is a placeholder that somebody forgot.
    let varied = bytes.iter().any(|byte| Some(byte) != bytes.first());
    bytes.as_slice().try_into().ok().filter(|_| varied).map(Zeroizing::new)
}
