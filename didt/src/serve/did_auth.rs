//! The store and the layer, as the configuration wants them.

use std::sync::Arc;

use tower_didt::redis::{RedisConfigError, RedisStoreBuilder};
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::SessionStore;
use tower_didt::{
    Audiences, BoundLogin, ConfigError, DidAuth, MagicSignIn, MemoryStore, RedisStore, SealedStore,
    SessionLimit, Verifier,
};

use super::config::{Changes, Config, Store};

/// Where sessions are kept.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    /// The Redis client inside it, if there is one.
    pub(crate) redis: Option<RedisStore>,
    /// What sealed sessions without Redis need remembered.
    ledger: Option<MemoryLedger>,
}

/// Opens the store. Redis need not be there yet. To be called within a runtime.
pub(crate) fn open(config: &Config) -> Result<Opened, RedisConfigError> {
    open_beside(config, None, None)
}

/// Opens it once more for settings that changed so. What is kept in memory stays, and so does the
/// connection to Redis where its settings did not change.
pub(crate) fn open_again(
    config: &Config,
    before: &Opened,
    changes: &Changes,
) -> Result<Opened, RedisConfigError> {
    if !changes.touch(&["store.", "cookie.name"]) {
        return Ok(before.clone());
    }
    // The keys are the one thing of a store that is not Redis'.
    let all_but_keys = changes
        .iter()
        .any(|change| change.what.starts_with("store.") && change.what != "store.keys_file");
    let redis = if all_but_keys { None } else { before.redis.clone() };
    match config.store {
        Store::Memory => Ok(before.clone()),
        Store::Redis(_) if redis.is_some() => Ok(before.clone()),
        _ => open_beside(config, redis, before.ledger.clone()),
    }
}

fn open_beside(
    config: &Config,
    redis: Option<RedisStore>,
    memory: Option<MemoryLedger>,
) -> Result<Opened, RedisConfigError> {
    let (store, redis, ledger): (Arc<dyn SessionStore>, _, _) = match &config.store {
        Store::Memory => (Arc::new(MemoryStore::new()), None, None),
        Store::Redis(builder) => {
            let redis = redis.map_or_else(|| builder.open(), Ok)?;
            (Arc::new(redis.clone()), Some(redis), None)
        }
        Store::Sealed { keys, ledger } => {
            let open = |builder: &RedisStoreBuilder| redis.map_or_else(|| builder.open(), Ok);
            let redis = ledger.as_ref().map(open).transpose()?;
            let memory = redis.is_none().then(|| memory.unwrap_or_default());
            let sealed = match (&redis, &memory) {
                (Some(redis), _) => SealedStore::new(keys.clone(), redis.clone()),
                (None, Some(memory)) => SealedStore::new(keys.clone(), memory.clone()),
                (None, None) => SealedStore::new(keys.clone(), MemoryLedger::new()),
            };
            (Arc::new(sealed.with_cookie_name(config.cookie.name())), redis, memory)
        }
    };
    Ok(Opened { store, redis, ledger })
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
