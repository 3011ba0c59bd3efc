//! `[store]`.

use tower_didt::SealingKeys;

use super::database::{MIGRATE, OF_POSTGRES, OF_REDIS, POOLING, postgres, sqlite};
use super::redis::{OPTIONS, PLACES, given, redis};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::sites::SiteName;
use tower_didt::postgres::PostgresStoreBuilder;
use tower_didt::redis::RedisStoreBuilder;
use tower_didt::sqlite::SqliteStoreBuilder;

/// Where sessions are kept.
#[derive(Debug)]
pub(crate) enum Store {
    Memory,
    /// In their cookies; revocations in this process's memory or in Redis.
    Sealed {
        /// Boxed: they are larger than all else.
        keys: Box<SealingKeys>,
        ledger: Option<RedisStoreBuilder>,
    },
    Redis(RedisStoreBuilder),
    Postgres {
        builder: PostgresStoreBuilder,
        /// Whether the tables are made at start-up.
        migrate: bool,
    },
    Sqlite {
        builder: SqliteStoreBuilder,
        /// Whether the tables are made at start-up.
        migrate: bool,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Memory,
    Sealed,
    Redis,
    Postgres,
    Sqlite,
}

/// Where the sessions of a site are kept, or those of the only one.
pub(in crate::serve::config) fn store(
    settings: &mut Settings<'_>,
    site: Option<&SiteName>,
) -> Result<Store, Invalid> {
    let kind = settings.choice(
        "store.kind",
        &[
            ("memory", Kind::Memory),
            ("sealed", Kind::Sealed),
            ("redis", Kind::Redis),
            ("postgres", Kind::Postgres),
            ("sqlite", Kind::Sqlite),
        ],
    )?;
    let is_database = matches!(kind, Kind::Postgres | Kind::Sqlite);
    let keys = keys(settings)?;
    let given = given(settings, is_database, site)?;
    let migrate = settings.flag_or(MIGRATE, true)?;
    let pooling = settings.flag_or(POOLING, false)?;
    let needless = |settings: &Settings<'_>, keys: &[&str], why: &str| {
        let given = keys.iter().find(|key| settings.is_given(key));
        given.map_or(Ok(()), |key| Err(settings.invalid(key, why)))
    };
    if kind != Kind::Sealed {
        needless(settings, &["store.keys_file"], "is for store.kind \"sealed\" alone")?;
    }
    if kind == Kind::Memory {
        let why = "is for store.kind \"redis\", \"postgres\", \"sqlite\", or \"sealed\" with Redis, alone";
        needless(settings, &PLACES, why)?;
        needless(settings, &OPTIONS, why)?;
    }
    if is_database {
        needless(settings, &OF_REDIS, "is for Redis alone")?;
    } else {
        let why = "is for store.kind \"postgres\" or \"sqlite\" alone";
        needless(settings, &[MIGRATE, POOLING], why)?;
    }
    if given.place.is_none() {
        needless(
            settings,
            &OPTIONS,
            "needs store.url or another key that says where the store is",
        )?;
    }
    match kind {
        Kind::Memory => Ok(Store::Memory),
        Kind::Postgres => {
            let builder = postgres(settings, &given, pooling)?;
            Ok(Store::Postgres { builder, migrate })
        }
        Kind::Sqlite => {
            needless(settings, &OF_POSTGRES, "means nothing to SQLite")?;
            Ok(Store::Sqlite { builder: sqlite(settings, &given)?, migrate })
        }
        Kind::Redis => redis(settings, given)?.map(Store::Redis).ok_or_else(|| {
            settings.invalid(
                "store.kind",
                format_args!(
                    "\"redis\" needs to know where it is; expected one of {}",
                    PLACES.join(", ")
                ),
            )
        }),
        Kind::Sealed => {
            let ledger = redis(settings, given)?;
            keys.map(|keys| Store::Sealed { keys: Box::new(keys), ledger }).ok_or_else(|| {
                settings.invalid(
                    "store.kind",
                    "\"sealed\" needs keys; expected store.keys_file, a file that `didt keygen` makes",
                )
            })
        }
    }
}

fn keys(settings: &mut Settings<'_>) -> Result<Option<SealingKeys>, Invalid> {
    const KEY: &str = "store.keys_file";
    let Some(text) = settings.secret(KEY)? else { return Ok(None) };
    SealingKeys::from_text(text.expose()).map(Some).map_err(|error| settings.invalid(KEY, error))
}
