//! Settings, and what may be wrong with them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};
use tokio::runtime::Handle;

use super::place::Place;
use super::schema::Schema;
use super::statements::Statements;
use super::{Inner, SqliteStore};
use crate::session::StoreError;
use crate::session::sql::clean_for_ever;

/// How long a request may take by default: a commit waits for a disk, and for other writers.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(500);

/// Within what all times lie: below, nothing would ever answer; above, sums overflow.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How often expired rows are removed by default, and at most.
const DEFAULT_CLEANING_INTERVAL: Duration = Duration::from_secs(60);
const SHORTEST_CLEANING_INTERVAL: Duration = Duration::from_secs(1);

/// Connections that only read, each with a thread of its own. Beside them there is one that writes:
/// SQLite has one writer at a time.
const READERS: u32 = 4;

const DEFAULT_PREFIX: &str = "didt";

/// Settings of an [`SqliteStore`]. Made by [`SqliteStore::builder`] and [`SqliteStore::with_pool`].
#[derive(Clone)]
#[must_use = "call `open` or `connect` to get the store"]
pub struct SqliteStoreBuilder {
    file: File,
    prefix: String,
    timeout: Duration,
    cleaning_interval: Option<Duration>,
}

#[derive(Clone)]
enum File {
    Url(String),
    Pool(SqlitePool),
}

impl SqliteStoreBuilder {
    pub(super) fn of_url(url: String) -> Self {
        Self::new(File::Url(url))
    }

    pub(super) fn of_pool(pool: SqlitePool) -> Self {
        Self::new(File::Pool(pool))
    }

    fn new(file: File) -> Self {
        Self {
            file,
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            cleaning_interval: Some(DEFAULT_CLEANING_INTERVAL),
        }
    }

    /// What the names of the store's tables begin with, before an underscore: 1 to 40 lower-case
    /// ASCII letters, digits and underscores, not beginning with a digit or `pg_`. Defaults to
    /// `didt`. Applications with prefixes of their own share a file and see nothing of each other.
    /// **Those with the same prefix accept each other's sessions**: neither the audience nor the
    /// hook of the one is asked for those of the other.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call may take, waiting for other writers included, before it fails
    /// with [`StoreError::Unavailable`]. Defaults to 500 ms; at least 1 ms, at most 60 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(SHORTEST, LONGEST);
        self
    }

    /// How often rows that have expired are removed, in steps of 1,000 rows. Defaults to every 60
    /// seconds; at least 1 second. With `None` this process removes none: call
    /// [`SqliteStore::clean_up`].
    pub fn with_cleaning_interval(mut self, interval: Option<Duration>) -> Self {
        self.cleaning_interval = interval.map(|span| span.max(SHORTEST_CLEANING_INTERVAL));
        self
    }

    /// The SQL that [`SqliteStore::migrate`] runs on a file that has no such tables yet, for those
    /// who run it themselves.
    ///
    /// # Errors
    ///
    /// [`SqliteConfigError::InvalidPrefix`] if the prefix is none that tables may have.
    pub fn schema_sql(&self) -> Result<String, SqliteConfigError> {
        self.valid_schema().map(|schema| schema.whole())
    }

    /// Makes sure that all settings are valid; opens nothing, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`SqliteConfigError`] if one is not.
    pub fn validate(&self) -> Result<(), SqliteConfigError> {
        self.valid_schema()?;
        match &self.file {
            File::Url(url) => read_url(url).map(drop),
            File::Pool(_) => Ok(()),
        }
    }

    fn valid_schema(&self) -> Result<Schema, SqliteConfigError> {
        Schema::new(&self.prefix).ok_or(SqliteConfigError::InvalidPrefix)
    }

    /// The store, opening the file when it is needed. To be called within a tokio runtime with time
    /// enabled, and used there.
    ///
    /// # Errors
    ///
    /// [`SqliteConfigError`] if a setting is invalid.
    pub fn open(&self) -> Result<SqliteStore, SqliteConfigError> {
        let runtime = Handle::try_current().map_err(|_| SqliteConfigError::NoRuntime)?;
        let schema = self.valid_schema()?;
        let (writer, readers) = match &self.file {
            File::Url(url) => {
                let path = read_url(url)?;
                make_private(path);
                let options = options(path, self.timeout);
                let place = Arc::new(Place::new(path, self.timeout));
                let pool = |connections| {
                    let place = Arc::clone(&place);
                    SqlitePoolOptions::new()
                        .max_connections(connections)
                        .acquire_timeout(self.timeout)
                        .test_before_acquire(false)
                        .before_acquire(move |_, meta| {
                            let is_open = place.is_open_by(meta.age);
                            Box::pin(async move { Ok(is_open) })
                        })
                        .connect_lazy_with(options.clone())
                };
                (pool(1), pool(READERS))
            }
            File::Pool(pool) => (pool.clone(), pool.clone()),
        };
        let inner = Arc::new(Inner {
            writer,
            readers,
            sql: Statements::new(&schema),
            schema,
            timeout: self.timeout,
        });
        if let Some(interval) = self.cleaning_interval {
            runtime.spawn(clean_for_ever(Arc::downgrade(&inner), interval));
        }
        Ok(SqliteStore(inner))
    }

    /// The store, once its file has been opened, can be written, and has the tables that are needed.
    ///
    /// # Errors
    ///
    /// [`SqliteConnectError`] if a setting is invalid, or the file is not ready within the
    /// [timeout](Self::with_timeout).
    pub async fn connect(&self) -> Result<SqliteStore, SqliteConnectError> {
        let store = self.open().map_err(SqliteConnectError::Config)?;
        store.0.ready().await.map_err(SqliteConnectError::Store)?;
        Ok(store)
    }
}

/// What a revocation has acknowledged survives the machine: each commit waits for the disk.
fn options(path: &Path, timeout: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(timeout * 3 / 4)
        .disable_statement_logging()
}

/// Makes a file that does not exist yet, for its owner alone; SQLite gives the files beside it the
/// same rights. Where that fails SQLite says why, with the first call.
fn make_private(path: &Path) {
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut file, 0o600);
    let _ = file.open(path);
}

/// Reads `sqlite:<path>` and `sqlite://<path>`: the file of a database that outlives its connections.
fn read_url(url: &str) -> Result<&Path, SqliteConfigError> {
    let path = url.strip_prefix("sqlite:").ok_or(SqliteConfigError::InvalidUrl)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    // Parameters, and databases in memory, which every connection would have one of. What begins with
    // `file:` SQLite reads as a URL of its own, whose file is another one.
    let strange = |part: char| matches!(part, '?' | '#' | '%') || part.is_control();
    let is_url = path.starts_with("file:");
    if path.is_empty() || is_url || path.contains(":memory:") || path.contains(strange) {
        return Err(SqliteConfigError::InvalidUrl);
    }
    Ok(Path::new(path))
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStoreBuilder")
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("cleaning_interval", &self.cleaning_interval)
            .finish_non_exhaustive()
    }
}

/// A setting of an [`SqliteStore`] that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SqliteConfigError {
    /// No `sqlite:` URL of a file, or one with parameters.
    InvalidUrl,
    /// A prefix that tables may not have.
    InvalidPrefix,
    /// There is no tokio runtime here.
    NoRuntime,
}

impl fmt::Display for SqliteConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidUrl => {
                "expected sqlite:<path of a file>, without parameters and percent signs"
            }
            Self::InvalidPrefix => {
                "a prefix must be 1 to 40 lower-case ASCII letters, digits and underscores, and \
                 begin with neither a digit nor pg_"
            }
            Self::NoRuntime => "the store must be opened within a tokio runtime",
        })
    }
}

impl std::error::Error for SqliteConfigError {}

/// Why there is no [`SqliteStore`] that is ready.
#[derive(Debug)]
#[non_exhaustive]
pub enum SqliteConnectError {
    /// A setting cannot be.
    Config(SqliteConfigError),
    /// The file cannot be used.
    Store(StoreError),
}

impl fmt::Display for SqliteConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SqliteConnectError {
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
    fn a_url_leads_to_one_file_or_is_refused() {
        for (url, path) in [
            ("sqlite:sessions.db", "sessions.db"),
            ("sqlite:/var/lib/sessions.db", "/var/lib/sessions.db"),
            ("sqlite:///var/lib/sessions.db", "/var/lib/sessions.db"),
        ] {
            assert_eq!(read_url(url), Ok(Path::new(path)));
        }
        for bad in [
            "",
            "sqlite:",
            "sqlite://",
            "sessions.db",
            "sqlite::memory:",
            "sqlite:a?mode=ro",
            "sqlite:file:",
            "sqlite:file:sessions.db",
            "sqlite://file:/var/lib/sessions.db",
            "sqlite:sessions.db\n",
        ] {
            assert_eq!(read_url(bad), Err(SqliteConfigError::InvalidUrl), "{bad}");
        }
    }
}
