//! `[store]`: PostgreSQL and SQLite.

use tower_didt::postgres::{PostgresConfigError, PostgresStoreBuilder};
use tower_didt::sqlite::{SqliteConfigError, SqliteStoreBuilder};
use tower_didt::{PostgresStore, SqliteStore};

use super::redis::{Given, refused};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;

/// Whether the tables are made or brought up to date at start-up.
pub(super) const MIGRATE: &str = "store.migrate";

/// Whether a pooler in transaction mode is between.
pub(super) const POOLING: &str = "store.transaction_pooling";

/// Of several sites, each has so many: with the most sites there may be, 256 of all.
const CONNECTIONS_PER_SITE: usize = 4;

/// Keys of Redis that mean nothing to either database.
pub(super) const OF_REDIS: [&str; 7] = [
    "store.cluster_urls",
    "store.cluster_urls_file",
    "store.sentinel_urls",
    "store.sentinel_urls_file",
    "store.root_certificates",
    "store.client_certificate",
    "store.client_key",
];

/// Keys that mean something to PostgreSQL, and nothing to SQLite.
pub(super) const OF_POSTGRES: [&str; 3] =
    [POOLING, "store.ping_interval", "store.local_copies_bytes"];

pub(super) fn postgres(
    settings: &Settings<'_>,
    given: &Given,
    pooling: bool,
) -> Result<PostgresStoreBuilder, Invalid> {
    let (place, url) = place(settings, given, "postgres", "postgres://localhost/postgres")?;
    let mut builder = PostgresStore::builder(url)
        .with_schema(given.prefix.as_str())
        .with_timeout(given.timeout)
        .with_ping_interval(given.ping_interval)
        .with_local_copies(given.local_copies);
    if given.shared {
        builder = builder.with_max_connections(CONNECTIONS_PER_SITE);
    }
    if pooling {
        builder = builder.with_transaction_pooling();
    }
    builder.validate().map_err(|error| {
        let key = match error {
            PostgresConfigError::InvalidSchema => "store.prefix",
            _ => place,
        };
        refused(settings, key, error)
    })?;
    Ok(builder)
}

pub(super) fn sqlite(
    settings: &Settings<'_>,
    given: &Given,
) -> Result<SqliteStoreBuilder, Invalid> {
    let (place, url) = place(settings, given, "sqlite", "sqlite:sessions.db")?;
    let builder =
        SqliteStore::builder(url).with_prefix(given.prefix.as_str()).with_timeout(given.timeout);
    builder.validate().map_err(|error| {
        let key = match error {
            SqliteConfigError::InvalidPrefix => "store.prefix",
            _ => place,
        };
        refused(settings, key, error)
    })?;
    Ok(builder)
}

/// The key that says where the database is, and its URL. `stand_in` takes the place of one in a file
/// that is not read.
fn place<'a>(
    settings: &Settings<'_>,
    given: &'a Given,
    kind: &str,
    stand_in: &'a str,
) -> Result<(&'static str, &'a str), Invalid> {
    match (given.place, given.url()) {
        (Some(place @ "store.url_file"), Some(_)) if !settings.reads_files() => {
            Ok((place, stand_in))
        }
        (Some(place), Some(url)) => Ok((place, url)),
        _ => Err(settings.invalid(
            "store.kind",
            format_args!(
                "{kind:?} needs to know where it is; expected store.url or store.url_file"
            ),
        )),
    }
}
