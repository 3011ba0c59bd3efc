//! A store that a URL chooses.

use std::fmt;
use std::sync::Arc;

use super::{MemoryStore, SessionStore, StoreError};
#[cfg(feature = "postgres")]
use super::{PostgresConfigError, PostgresStore};
#[cfg(feature = "redis")]
use super::{RedisConfigError, RedisStore};
#[cfg(feature = "sqlite")]
use super::{SqliteConfigError, SqliteStore};

/// Any of the stores that a URL can name, for services that are configured by their environment.
///
/// | URL | store | features |
/// |---|---|---|
/// | `memory:` | [`MemoryStore`] | |
/// | `redis://…`, `rediss://…` | `RedisStore`, one server | `redis`; `redis-tls` |
/// | `postgres://…`, `postgresql://…` | `PostgresStore` | `postgres` |
/// | `sqlite:…` | `SqliteStore` | `sqlite` |
///
/// The URLs are those of the stores themselves, with their default settings. For other settings,
/// such as a cluster or a prefix, use the store's own builder.
///
/// ```
/// use tower_didt::{AnyStore, DidAuth, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = std::env::var("SESSIONS_URL").unwrap_or("memory:".to_owned());
/// let store = AnyStore::from_url(&url)?;
/// store.migrate().await?;
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_store(store);
/// # Ok(())
/// # }
/// ```
///
/// Cloning is cheap and shares the store.
#[derive(Clone, Debug)]
pub struct AnyStore(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Memory(MemoryStore),
    #[cfg(feature = "redis")]
    Redis(RedisStore),
    #[cfg(feature = "postgres")]
    Postgres(PostgresStore),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteStore),
}

impl AnyStore {
    /// The store of a URL, connecting when it is needed. All but `memory:` have to be opened within
    /// a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StoreUrlError`] if the URL names no store, or one whose feature is off, or is not as the
    /// store expects it. Neither it nor its `Debug` shows any part of the URL, which may hold a
    /// password.
    pub fn from_url(url: &str) -> Result<Self, StoreUrlError> {
        let (scheme, rest) = url.split_once(':').ok_or(StoreUrlError::UnknownScheme)?;
        let kind = match scheme {
            "memory" if rest.is_empty() => Kind::Memory(MemoryStore::new()),
            "memory" => return Err(StoreUrlError::NotEmpty),
            "redis" | "rediss" => redis(url)?,
            "postgres" | "postgresql" => postgres(url)?,
            "sqlite" => sqlite(url)?,
            _ => return Err(StoreUrlError::UnknownScheme),
        };
        Ok(Self(kind))
    }

    /// Makes the tables that the store needs, or brings them to this version: in PostgreSQL and
    /// SQLite. The other stores need none. Several processes may call this at the same time.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if the database cannot be used. Nothing was changed then.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.0 {
            Kind::Memory(_) => Ok(()),
            #[cfg(feature = "redis")]
            Kind::Redis(_) => Ok(()),
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.migrate().await,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.migrate().await,
        }
    }

    /// The store itself.
    pub(super) fn store(&self) -> &dyn SessionStore {
        match &self.0 {
            Kind::Memory(store) => store,
            #[cfg(feature = "redis")]
            Kind::Redis(store) => store,
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store,
        }
    }
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<Kind, StoreUrlError> {
    RedisStore::open(url).map(Kind::Redis).map_err(StoreUrlError::Redis)
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Kind, StoreUrlError> {
    Err(StoreUrlError::FeatureOff { feature: "redis" })
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Kind, StoreUrlError> {
    PostgresStore::open(url).map(Kind::Postgres).map_err(StoreUrlError::Postgres)
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Kind, StoreUrlError> {
    Err(StoreUrlError::FeatureOff { feature: "postgres" })
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str) -> Result<Kind, StoreUrlError> {
    SqliteStore::open(url).map(Kind::Sqlite).map_err(StoreUrlError::Sqlite)
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str) -> Result<Kind, StoreUrlError> {
    Err(StoreUrlError::FeatureOff { feature: "sqlite" })
}

/// Why a URL leads to no [`AnyStore`]. Holds no part of the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrlError {
    /// The text does not begin as the URL of a store.
    UnknownScheme,
    /// The store is there, and this program was built without it.
    FeatureOff {
        /// The feature of this crate that brings it.
        feature: &'static str,
    },
    /// Behind `memory:` there is something.
    NotEmpty,
    /// What [`RedisStore`] says.
    #[cfg(feature = "redis")]
    Redis(RedisConfigError),
    /// What [`PostgresStore`] says.
    #[cfg(feature = "postgres")]
    Postgres(PostgresConfigError),
    /// What [`SqliteStore`] says.
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConfigError),
}

impl fmt::Display for StoreUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownScheme => f.write_str(
                "the URL of a session store must begin with memory:, redis://, rediss://, \
                 postgres://, postgresql:// or sqlite:, in lower case",
            ),
            Self::FeatureOff { feature } => write!(
                f,
                "this URL needs the feature `{feature}` of tower-didt, which this program was built \
                 without"
            ),
            Self::NotEmpty => f.write_str("expected memory: with nothing behind it"),
            #[cfg(feature = "redis")]
            Self::Redis(error) => error.fmt(f),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.fmt(f),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreUrlError {}

impl From<AnyStore> for Arc<dyn SessionStore> {
    fn from(store: AnyStore) -> Self {
        match store.0 {
            Kind::Memory(store) => Arc::new(store),
            #[cfg(feature = "redis")]
            Kind::Redis(store) => Arc::new(store),
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => Arc::new(store),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => Arc::new(store),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "n33dl3";

    #[test]
    fn a_url_that_leads_nowhere_says_why_and_shows_nothing_of_itself() {
        let rows = [
            ("", "must begin with"),
            ("n33dl3", "must begin with"),
            ("n33dl3:n33dl3@localhost", "must begin with"),
            ("mysql://shop:n33dl3@localhost", "must begin with"),
            ("REDIS://:n33dl3@localhost", "must begin with"),
            (" redis://:n33dl3@localhost", "must begin with"),
            ("memory:n33dl3", "nothing behind it"),
            ("memory://", "nothing behind it"),
            ("redis:n33dl3", "redis"),
            ("redis://:n33dl3@", "redis"),
            ("rediss://:n33dl3@:x", "redis"),
            ("postgres://shop:n33dl3#@localhost/shop", "postgres"),
            ("postgresql:n33dl3", "postgres"),
            ("sqlite:n33dl3?mode=n33dl3", "sqlite"),
        ];
        for (url, reason) in rows {
            let error = AnyStore::from_url(url).expect_err(url);
            let (shown, debug) = (error.to_string(), format!("{error:?}"));
            assert!(shown.contains(reason) || shown.contains("runtime"), "{url}: {shown}");
            assert!(!shown.contains(SECRET) && !debug.contains(SECRET), "{shown} {debug}");
        }
    }

    #[test]
    fn a_store_that_was_left_out_is_named_by_its_feature() {
        let off = |url: &str| match AnyStore::from_url(url) {
            Err(StoreUrlError::FeatureOff { feature }) => Some(feature),
            _ => None,
        };
        for (url, feature, is_on) in [
            ("redis://:n33dl3@localhost", "redis", cfg!(feature = "redis")),
            ("postgres://n33dl3@localhost", "postgres", cfg!(feature = "postgres")),
            ("sqlite:n33dl3", "sqlite", cfg!(feature = "sqlite")),
        ] {
            assert_eq!(off(url), (!is_on).then_some(feature), "{url}");
            let error = StoreUrlError::FeatureOff { feature };
            assert!(error.to_string().contains(&format!("`{feature}`")), "{error}");
        }
    }

    #[test]
    fn memory_is_a_store_without_a_runtime() {
        let store = AnyStore::from_url("memory:").expect("a store");
        assert!(store.store().lists_sessions() && store.remembers());
    }
}
