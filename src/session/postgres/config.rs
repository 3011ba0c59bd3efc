//! Settings, and what may be wrong with them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgPool};
use tokio::runtime::Handle;

use super::calls::Calls;
use super::connections::Connections;
use super::listener::{Listener, ListenerSettings};
use super::loads::Loads;
use super::schema::Schema;
use super::{Inner, PostgresStore};
use crate::session::StoreError;
use crate::session::copies::{Copies, Flights, Invalidations, Rhythm};
use crate::session::sql::clean_for_ever;
use crate::session::url_parameters;

/// How long a request may take by default: a commit waits for a disk.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);

/// Within what all times lie: below, nothing would ever answer; above, sums overflow.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How often the connection that changes are told on is tried by default.
const DEFAULT_PING_INTERVAL: Duration = Duration::from_millis(250);

/// How often expired rows are removed by default, and at most.
const DEFAULT_CLEANING_INTERVAL: Duration = Duration::from_secs(60);
const SHORTEST_CLEANING_INTERVAL: Duration = Duration::from_secs(1);

/// What copies may take of memory by default: 32 MiB, some 60,000 sessions without data.
const DEFAULT_LOCAL_BYTES: u64 = 32 * 1024 * 1024;

/// How many connections the store makes by default, beside the one that changes are told on. A
/// PostgreSQL server permits 100 by default, to all of its clients.
const DEFAULT_MAX_CONNECTIONS: usize = 10;

const DEFAULT_SCHEMA: &str = "didt";

/// Settings of a [`PostgresStore`]. Made by [`PostgresStore::builder`] and
/// [`PostgresStore::with_pool`].
///
/// `Debug` shows no password.
#[derive(Clone)]
#[must_use = "call `open` or `connect` to get the store"]
pub struct PostgresStoreBuilder {
    server: Server,
    schema: String,
    timeout: Duration,
    ping_interval: Duration,
    cleaning_interval: Option<Duration>,
    local_bytes: u64,
    max_connections: usize,
    transaction_pooling: bool,
}

#[derive(Clone)]
enum Server {
    Url(String),
    Pool(PgPool),
}

impl PostgresStoreBuilder {
    pub(super) fn of_url(url: String) -> Self {
        Self::new(Server::Url(url))
    }

    pub(super) fn of_pool(pool: PgPool) -> Self {
        Self::new(Server::Pool(pool))
    }

    fn new(server: Server) -> Self {
        Self {
            server,
            schema: DEFAULT_SCHEMA.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            ping_interval: DEFAULT_PING_INTERVAL,
            cleaning_interval: Some(DEFAULT_CLEANING_INTERVAL),
            local_bytes: DEFAULT_LOCAL_BYTES,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            transaction_pooling: false,
        }
    }

    /// The schema that holds the store's tables and functions: 1 to 40 lower-case ASCII letters,
    /// digits and underscores, not beginning with a digit or `pg_`. Defaults to `didt`.
    /// Applications with schemas of their own share a database and see nothing of each other.
    /// **Those with the same schema accept each other's sessions**: neither the audience nor the
    /// hook of the one is asked for those of the other.
    pub fn with_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How long a call may take, waiting for a connection included, before it fails
    /// with [`StoreError::Unavailable`]. Defaults to 500 ms; at least 1 ms, at most 60 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(SHORTEST, LONGEST);
        self
    }

    /// How often the connection is tried that changes are told on. Defaults to 250 ms; at least
    /// 1 ms, at most 60 s.
    ///
    /// Local copies are used for this span and the [timeout](Self::with_timeout)
    /// after the last time that the server was known to answer: that is how long
    /// a revocation may take to arrive when the network is cut.
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// How often rows that have expired are removed, in steps of 1,000 rows. Defaults to every 60
    /// seconds; at least 1 second. With `None` this process removes none: call
    /// [`PostgresStore::clean_up`].
    pub fn with_cleaning_interval(mut self, interval: Option<Duration>) -> Self {
        self.cleaning_interval = interval.map(|span| span.max(SHORTEST_CLEANING_INTERVAL));
        self
    }

    /// What local copies of sessions may take of memory. Defaults to 32 MiB.
    ///
    /// With 0 every session is asked for, and the store does not listen for changes: no request
    /// after a revocation passes, on any machine, for one round trip a request.
    pub const fn with_local_copies(mut self, max_bytes: u64) -> Self {
        self.local_bytes = max_bytes;
        self
    }

    /// How many connections the store makes at most, beside the one that changes are told on.
    /// Defaults to 10; at least 1. Without meaning for a pool that you bring.
    pub fn with_max_connections(mut self, max: usize) -> Self {
        self.max_connections = max.clamp(1, MAX_CONNECTIONS);
        self
    }

    /// For a server behind PgBouncer in transaction mode, or another pooler that gives each
    /// transaction a connection of its own. Local copies are off, because such a pooler passes no
    /// changes on; no statement is prepared for longer than a transaction; and every call takes
    /// four round trips to the pooler instead of one.
    pub const fn with_transaction_pooling(mut self) -> Self {
        self.transaction_pooling = true;
        self
    }

    /// The SQL that [`PostgresStore::migrate`] runs on a database that has no such schema yet, for
    /// those who run it themselves.
    ///
    /// # Errors
    ///
    /// [`PostgresConfigError::InvalidSchema`] if the schema has no name that it may have.
    pub fn schema_sql(&self) -> Result<String, PostgresConfigError> {
        self.valid_schema().map(|schema| schema.whole())
    }

    /// Makes sure that all settings are valid; connects to nothing, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`PostgresConfigError`] if one is not.
    pub fn validate(&self) -> Result<(), PostgresConfigError> {
        self.valid_schema()?;
        match &self.server {
            Server::Url(url) => read_url(url, self.transaction_pooling).map(drop),
            Server::Pool(_) => Ok(()),
        }
    }

    fn valid_schema(&self) -> Result<Schema, PostgresConfigError> {
        Schema::new(&self.schema).ok_or(PostgresConfigError::InvalidSchema)
    }

    /// The store, connecting when it is needed. Until PostgreSQL can be reached, every call
    /// fails with [`StoreError::Unavailable`]. To be called within a tokio runtime with
    /// I/O and time enabled, and used there.
    ///
    /// # Errors
    ///
    /// [`PostgresConfigError`] if a setting is invalid.
    pub fn open(&self) -> Result<PostgresStore, PostgresConfigError> {
        let runtime = Handle::try_current().map_err(|_| PostgresConfigError::NoRuntime)?;
        let schema = self.valid_schema()?;
        let connections = match &self.server {
            Server::Url(url) => {
                let options = read_url(url, self.transaction_pooling)?;
                Connections::own(options, self.max_connections)
            }
            Server::Pool(pool) => Connections::pool(pool.clone()),
        };
        let local_bytes = if self.transaction_pooling { 0 } else { self.local_bytes };
        let invalidations = Arc::new(Invalidations::new(local_bytes, 0));
        let settings = ListenerSettings {
            connections: connections.clone(),
            channel: schema.channel(),
            invalidations: Arc::clone(&invalidations),
            rhythm: Rhythm { ping_interval: self.ping_interval, timeout: self.timeout },
        };
        let inner = Arc::new(Inner {
            calls: Calls::new(&schema),
            schema,
            connections,
            listener: (local_bytes > 0).then(|| Listener::start(settings, &runtime)),
            copies: Copies::new(Arc::clone(&invalidations), local_bytes),
            in_flight: Flights::default(),
            loads: Loads::default(),
            invalidations,
            timeout: self.timeout,
            in_transactions: self.transaction_pooling,
        });
        if let Some(interval) = self.cleaning_interval {
            runtime.spawn(clean_for_ever(Arc::downgrade(&inner), interval));
        }
        Ok(PostgresStore(inner))
    }

    /// The store, once PostgreSQL has answered and has the schema that is needed.
    ///
    /// # Errors
    ///
    /// [`PostgresConnectError`] if a setting is invalid, or PostgreSQL is not ready within
    /// a second (or five times the [timeout](Self::with_timeout) if that is more).
    pub async fn connect(&self) -> Result<PostgresStore, PostgresConnectError> {
        let store = self.open().map_err(PostgresConnectError::Config)?;
        let limit = (5 * self.timeout).max(Duration::from_secs(1));
        store.0.ready(limit).await.map_err(PostgresConnectError::Store)?;
        Ok(store)
    }
}

/// The most connections of one store, far more than a server permits.
const MAX_CONNECTIONS: usize = 10_000;

/// The parameters that `sqlx` reads, each with its other names.
const PARAMETERS: &[&[&str]] = &[
    &["sslmode", "ssl-mode"],
    &["sslrootcert", "ssl-root-cert", "ssl-ca"],
    &["sslcert", "ssl-cert"],
    &["sslkey", "ssl-key"],
    &["statement-cache-capacity"],
    &["host", "hostaddr"],
    &["port"],
    &["dbname"],
    &["user"],
    &["password"],
    &["application_name"],
    &["options"],
    &["options["],
];

/// Reads `postgres://` and `postgresql://` URLs.
fn read_url(url: &str, pooled: bool) -> Result<PgConnectOptions, PostgresConfigError> {
    let known = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
    // A `#` can only be an unescaped part of the password.
    if !known || url.contains('#') {
        return Err(PostgresConfigError::InvalidUrl);
    }
    if !url_parameters::are_known(url, PARAMETERS) {
        return Err(PostgresConfigError::UnknownParameter);
    }
    let options = PgConnectOptions::from_str(url).map_err(|_| PostgresConfigError::InvalidUrl)?;
    let options = options.disable_statement_logging();
    Ok(match pooled {
        // PgBouncer refuses the parameter unless it is told to ignore it.
        true => options.statement_cache_capacity(0).extra_float_digits(None),
        false => options,
    })
}

impl fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStoreBuilder")
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("ping_interval", &self.ping_interval)
            .field("cleaning_interval", &self.cleaning_interval)
            .field("local_bytes", &self.local_bytes)
            .field("max_connections", &self.max_connections)
            .field("transaction_pooling", &self.transaction_pooling)
            .finish_non_exhaustive()
    }
}

/// A setting of a [`PostgresStore`] that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresConfigError {
    /// No `postgres://` URL, or one that cannot be read.
    InvalidUrl,
    /// The URL has a parameter that is not known, or one of them twice.
    UnknownParameter,
    /// A schema with another name than it may have.
    InvalidSchema,
    /// There is no tokio runtime here.
    NoRuntime,
}

impl fmt::Display for PostgresConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidUrl => {
                "expected postgres://[user:password@]host[:port]/database, the password \
                 percent-encoded"
            }
            Self::UnknownParameter => {
                "a parameter of the URL is not known, or given twice; expected those of sqlx, \
                 such as sslmode=verify-full, and a ? in the password percent-encoded"
            }
            Self::InvalidSchema => {
                "a schema's name must be 1 to 40 lower-case ASCII letters, digits and \
                 underscores, and begin with neither a digit nor pg_"
            }
            Self::NoRuntime => "the store must be opened within a tokio runtime",
        })
    }
}

impl std::error::Error for PostgresConfigError {}

/// Why there is no [`PostgresStore`] that is connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum PostgresConnectError {
    /// A setting cannot be.
    Config(PostgresConfigError),
    /// PostgreSQL does not answer, or not as it should.
    Store(StoreError),
}

impl fmt::Display for PostgresConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PostgresConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Store(error) => error.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_lead_nowhere_are_refused_without_repeating_them() {
        for bad in [
            "",
            "secret",
            "http://:secret@host",
            "postgres:/secret",
            "postgres://u:secret@host:99999/db",
            "postgres://u:sec#ret@host/db",
            "postgres://u:secret@host/db?sslmode=whatever",
        ] {
            let error = read_url(bad, false).expect_err(bad);
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad:?}");
        }
        for bad in [
            "postgres://u@host/db?sslmod=verify-full",
            "postgres://u@host/db?SSLMODE=verify-full",
            "postgres://u@host/db?sslmode=verify-full&ssl-mode=disable",
            "postgres://u@host/db?channel_binding=require",
            "postgres://u@host/db?passwd=secret",
            "postgres://u:12?secret@host/db",
        ] {
            let error = read_url(bad, false).expect_err(bad);
            assert_eq!(error, PostgresConfigError::UnknownParameter, "{bad:?}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{bad:?}");
        }
        let options = read_url("postgresql://app:s%23cret@db.example.com/shop", false);
        let options = options.expect("a URL");
        assert_eq!(options.get_host(), "db.example.com");
        assert_eq!(options.get_database(), Some("shop"));
    }

    #[test]
    fn debug_shows_no_password() {
        let builder = PostgresStoreBuilder::of_url("postgres://u:secret@host/db".to_owned());
        assert!(!format!("{builder:?}").contains("secret"));
    }
}
