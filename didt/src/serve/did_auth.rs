//! The store and the layer, as the configuration wants them.

use std::sync::Arc;

use tower_didt::redis::{RedisConfigError, RedisStoreBuilder};
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::SessionStore;
use tower_didt::{
    Audiences, ConfigError, DidAuth, MagicSignIn, MemoryStore, RedisStore, SealedStore,
    SessionLimit, Verifier,
};

use super::config::{Config, Store};

/// Where sessions are kept.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn SessionStore>,
    /// The Redis client inside it, if there is one.
    pub(crate) redis: Option<RedisStore>,
}

/// Opens the store. Redis need not be there yet. To be called within a runtime.
pub(crate) fn open(config: &Config) -> Result<Opened, RedisConfigError> {
    let (store, redis): (Arc<dyn SessionStore>, _) = match &config.store {
        Store::Memory => (Arc::new(MemoryStore::new()), None),
        Store::Redis(builder) => {
            let redis = builder.open()?;
            (Arc::new(redis.clone()), Some(redis))
        }
        Store::Sealed { keys, ledger } => {
            let redis = ledger.as_ref().map(RedisStoreBuilder::open).transpose()?;
            let sealed = match &redis {
                Some(redis) => SealedStore::new(keys.clone(), redis.clone()),
                None => SealedStore::new(keys.clone(), MemoryLedger::new()),
            };
            (Arc::new(sealed.with_cookie_name(config.cookie.name())), redis)
        }
    };
    Ok(Opened { store, redis })
}

/// The layer that guards.
pub(crate) fn did_auth(
    config: &Config,
    audiences: Audiences,
    magic: Option<MagicSignIn>,
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
    if let Some(bound_login) = &sessions.bound_login {
        auth = auth.with_bound_login(bound_login.clone());
    }
    Ok(auth)
}
