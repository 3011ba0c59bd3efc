//! The tables of the policy file, each read and checked.

mod assertion;
mod cookie;
mod database;
mod identity;
mod listen;
mod magic;
mod redis;
mod running;
mod sessions;
mod sign_in;
mod store;
mod trust;

use std::time::Duration;

use tower_didt::SessionLimit;

pub(crate) use self::assertion::Assertion;
pub(super) use self::assertion::assertion;
pub(super) use self::cookie::cookie;
pub(crate) use self::identity::IdentityHeaders;
pub(super) use self::identity::identity;
pub(crate) use self::listen::{Listen, PrivateListener, PublicListener, TlsFiles};
pub(super) use self::listen::{admin_secret, listen, private_listener};
pub(crate) use self::magic::Magic;
pub(super) use self::magic::magic;
pub(crate) use self::running::{Limits, Log, LogFormat, LogLevel, Rates};
pub(super) use self::running::{limits, log, rates};
#[cfg(test)]
pub(crate) use self::sessions::Leeways;
pub(crate) use self::sessions::Sessions;
pub(super) use self::sessions::{longest_lifetime, sessions};
pub(crate) use self::sign_in::SignIn;
pub(super) use self::sign_in::sign_in;
pub(crate) use self::store::Store;
pub(super) use self::store::store;
pub(super) use self::trust::{audiences, trusted_origins, trusted_proxies};
use super::invalid::Invalid;
use super::settings::Settings;

const SECOND: Duration = Duration::from_secs(1);

const HOUR: Duration = Duration::from_secs(60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The longest that browsers keep a cookie (RFC 6265bis), and that anything is remembered.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Checks settings of different tables against each other.
pub(super) fn check_together(
    settings: &Settings<'_>,
    sessions: &Sessions,
    store: &Store,
) -> Result<(), Invalid> {
    let counts = matches!(sessions.max_per_issuer, SessionLimit::AtMost(_));
    if counts && matches!(store, Store::Sealed { .. }) {
        return Err(settings.invalid(
            "sessions.max_per_issuer",
            "sealed sessions live in their cookies and cannot be counted; expected store.kind \"memory\", \"redis\", \"postgres\" or \"sqlite\"",
        ));
    }
    Ok(())
}
