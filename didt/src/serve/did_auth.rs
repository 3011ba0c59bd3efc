//! The store and the layer, as the configuration wants them.

use std::fmt;
use std::sync::Arc;

use tower_didt::postgres::PostgresConfigError;
use tower_didt::redis::{RedisConfigError, RedisStoreBuilder};
use tower_didt::sealed::MemoryLedger;
use tower_didt::sqlite::SqliteConfigError;
use tower_didt::store::SessionStore;
use tower_didt::{
    Audiences, BoundLogin, ConfigError, DidAuth, MagicSignIn, MemoryStore, PostgresStore,
    RedisStore, SealedStore, SealingKeys, SessionLimit, SqliteStore, StoreError, Verifier,
};

use super::config::{Changes, Config, Store};

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    /// The client of the server or database inside it, if there is one.
    pub(crate) client: Option<Client>,
    /// What sealed sessions without Redis need remembered.
    ledger: Option<MemoryLedger>,
}

impl Opened {
    /// Makes sure that the store answers, and that its tables are there where they are to be made.
    pub(crate) async fn answers(&self) -> Result<(), StoreError> {
        if let Some(client) = &self.client {
            client.make_tables().await?;
        }
        self.store.ready().await
    }
}

/// Who is asked about sessions, and whether tables have to be made first.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    Redis(RedisStore),
    Postgres { store: PostgresStore, migrate: bool },
    Sqlite { store: SqliteStore, migrate: bool },
}

impl Client {
    /// Makes the tables, or brings them up to date, where that is wanted.
    pub(crate) async fn make_tables(&self) -> Result<(), StoreError> {
        match self {
            Self::Postgres { store, migrate: true } => store.migrate().await,
            Self::Sqlite { store, migrate: true } => store.migrate().await,
            Self::Redis(_) | Self::Postgres { .. } | Self::Sqlite { .. } => Ok(()),
        }
    }

    fn redis(&self) -> Option<RedisStore> {
        match self {
            Self::Redis(redis) => Some(redis.clone()),
            Self::Postgres { .. } | Self::Sqlite { .. } => None,
        }
    }
}

/// Why the store cannot be opened: a setting that `check-config` would have refused.
#[derive(Debug)]
pub(crate) enum OpenError {
    Redis(RedisConfigError),
    Postgres(PostgresConfigError),
    Sqlite(SqliteConfigError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Redis(error) => write!(f, "Redis: {error}"),
            Self::Postgres(error) => write!(f, "PostgreSQL: {error}"),
            Self::Sqlite(error) => write!(f, "SQLite: {error}"),
        }
    }
}

/// Opens the store. A server need not be there yet. To be called within a runtime.
pub(crate) fn open(config: &Config) -> Result<Opened, OpenError> {
    open_beside(config, None, None)
}

/// Opens it once more for settings that changed so. What is kept in memory stays, and so does the
/// connection to a server where its settings did not change.
pub(crate) fn open_again(
    config: &Config,
    before: &Opened,
    changes: &Changes,
) -> Result<Opened, OpenError> {
    if !changes.touch(&["store.", "cookie.name"]) {
        return Ok(before.clone());
    }
    // The keys are the one thing of a store that is not its server's.
    let all_but_keys = changes
        .iter()
        .any(|change| change.what.starts_with("store.") && change.what != "store.keys_file");
    let client = if all_but_keys { None } else { before.client.as_ref() };
    match config.store {
        Store::Memory => Ok(before.clone()),
        Store::Redis(_) | Store::Postgres { .. } | Store::Sqlite { .. } if client.is_some() => {
            Ok(before.clone())
        }
        _ => open_beside(config, client.and_then(Client::redis), before.ledger.clone()),
    }
}

fn open_beside(
    config: &Config,
    redis: Option<RedisStore>,
    memory: Option<MemoryLedger>,
) -> Result<Opened, OpenError> {
    let open = |builder: &RedisStoreBuilder| redis.map_or_else(|| builder.open(), Ok);
    let (store, client, ledger): (Arc<dyn SessionStore>, _, _) = match &config.store {
        Store::Memory => (Arc::new(MemoryStore::new()), None, None),
        Store::Redis(builder) => {
            let redis = open(builder).map_err(OpenError::Redis)?;
            (Arc::new(redis.clone()), Some(Client::Redis(redis)), None)
        }
        Store::Postgres { builder, migrate } => {
            let store = builder.open().map_err(OpenError::Postgres)?;
            let client = Client::Postgres { store: store.clone(), migrate: *migrate };
            (Arc::new(store), Some(client), None)
        }
        Store::Sqlite { builder, migrate } => {
            let store = builder.open().map_err(OpenError::Sqlite)?;
            let client = Client::Sqlite { store: store.clone(), migrate: *migrate };
            (Arc::new(store), Some(client), None)
        }
        Store::Sealed { keys, ledger } => {
            let sealing = SealingKeys::clone(keys);
            let redis = ledger.as_ref().map(open).transpose().map_err(OpenError::Redis)?;
            let memory = redis.is_none().then(|| memory.unwrap_or_default());
            let sealed = match (&redis, &memory) {
                (Some(redis), _) => SealedStore::new(sealing, redis.clone()),
                (None, Some(memory)) => SealedStore::new(sealing, memory.clone()),
                (None, None) => SealedStore::new(sealing, MemoryLedger::new()),
            };
            let client = redis.map(Client::Redis);
            (Arc::new(sealed.with_cookie_name(&sealed_for(config))), client, memory)
        }
    };
    Ok(Opened { store, client, ledger })
}

/// What a cookie is sealed for: its name and, of several sites that share the keys, the site, behind a
/// blank that no name of a cookie has.
fn sealed_for(config: &Config) -> String {
    let cookie = config.cookie.name();
    config.site.as_ref().map_or_else(|| cookie.to_owned(), |site| format!("{cookie} {site}"))
}

/// The layer that guards. The challenges of `bound_login` are good where its key is the one that made
/// them.
pub(crate) fn did_auth(
    config: &Config,
    audiences: Audiences,
    magic: Option<MagicSignIn>,
    bound_login: Option<&BoundLogin>,
    store: Arc<dyn SessionStore>,
) -> Result<DidAuth, ConfigError> {
    let sessions = &config.sessions;
    let verifier = Verifier::new(audiences)
        .with_not_before_leeway(sessions.leeways.not_before)
        .with_issued_at_leeway(sessions.leeways.issued_at)
        .with_expiry_leeway(sessions.leeways.expiry);
    let mut auth = DidAuth::new(verifier)
        .with_store(store)
        .with_max_token_age(sessions.max_token_age)
        .with_lifetimes(sessions.lifetimes)
        .with_replay(sessions.replay)
        .with_cookie(config.cookie.clone())
        .with_trusted_origins(&config.trusted_origins)?;
    if let Some(remember_me) = sessions.remember_me {
        auth = auth.with_remember_me(remember_me);
    }
    auth = match sessions.max_per_issuer {
        SessionLimit::AtMost(max) => auth.with_max_sessions_per_issuer(max),
        SessionLimit::Unlimited => auth.with_unlimited_sessions_per_issuer(),
        SessionLimit::Default => auth,
    };
    if let Some(magic) = magic {
        auth = auth.with_magic(magic);
    }
    if let Some(bound_login) = bound_login {
        auth = auth.with_bound_login(bound_login.clone());
    }
    Ok(auth)
}
