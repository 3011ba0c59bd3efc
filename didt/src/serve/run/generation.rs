//! One generation: all that one reading of the settings makes, complete before any of it is served.

use std::sync::Arc;

use tower_didt::magic::{Magic, MagicError};
use tower_didt::{Audiences, BoundLogin, DidAuth, MagicSignIn, SystemClock};

use super::start_error::StartError;
use super::tls_of;
use crate::serve::audit::Audit;
use crate::serve::config::{Changes, Config, Given, Limits, Loaded, PrivateListener};
use crate::serve::did_auth::{self, Opened};
use crate::serve::measures::Measures;
use crate::serve::rates::Counted;
use crate::serve::server::{Serving, Stop, Tls};
use crate::serve::{people, private, public};

/// Connections at a time to the private listener: probes and a few people. They come out of no
/// other limit, so that a crowd at the public one keeps no probe waiting.
pub(super) const PRIVATE_CONNECTIONS: usize = 128;

/// What changes when anything about Magic's client does; other settings of `[magic]` are about people
/// who sign in.
const MAGIC: [&str; 5] = [
    "magic.secret_key_file",
    "magic.api_url",
    "magic.timeout",
    "magic.fresh_for",
    "magic.stale_until",
];

/// What outlives generations.
#[derive(Clone, Debug)]
pub(super) struct Around {
    pub(super) measures: Measures,
    /// What the public listener hears.
    pub(super) stop: Stop,
    pub(super) counted: Arc<Counted>,
}

/// What the listeners serve of a generation.
pub(super) struct Served {
    pub(super) public: Serving,
    pub(super) private: Option<Serving>,
}

/// One reading of the settings, and what was opened for it. Requests that began with one end with it.
#[derive(Debug)]
pub(super) struct Generation {
    /// Counted from 1.
    pub(super) number: u64,
    given: Given,
    loaded: Arc<Loaded>,
    tls: Option<Tls>,
    pub(super) opened: Opened,
    magic: Option<Magic>,
    audiences: Audiences,
    bound_login: Option<BoundLogin>,
    auth: DidAuth,
}

/// Settings that were read after those of a generation, files included, and what they change.
#[derive(Debug)]
pub(super) struct Later {
    given: Given,
    loaded: Loaded,
    tls: Option<Tls>,
    /// What differs from what is served now.
    pub(super) changes: Changes,
    /// Settings that differ and take effect after a restart.
    pub(super) needs_restart: Vec<String>,
}

impl Generation {
    /// Waits for Magic where it has to name the audience.
    pub(super) async fn first(
        given: Given,
        loaded: Loaded,
        tls: Option<Tls>,
        around: &Around,
    ) -> Result<(Self, Served), StartError> {
        let config = &loaded.config;
        let opened = did_auth::open(config).map_err(StartError::Open)?;
        let magic = client(config)?;
        let audiences = match (&config.audiences, &magic) {
            (Some(audiences), _) => audiences.clone(),
            (None, Some(magic)) => people::audience(magic).await.map_err(StartError::ClientId)?,
            (None, None) => return Err(StartError::NoAudience),
        };
        let bound_login = config.sessions.bound_login.clone();
        let parts = Parts { number: 1, given, loaded, tls, opened, magic, audiences, bound_login };
        parts.assemble(None, around)
    }

    /// The next one. Whatever is asked for has to be there, or all stays as it is: Magic and the store where
    /// what is said about them changed.
    pub(super) async fn next(
        &self,
        later: Later,
        around: &Around,
    ) -> Result<(Self, Served), StartError> {
        let Later { given, loaded, tls, changes, .. } = later;
        let config = &loaded.config;
        let opened = did_auth::open_again(config, &self.opened, &changes);
        let opened = opened.map_err(StartError::Open)?;
        if !Arc::ptr_eq(&opened.store, &self.opened.store) {
            if let Some(client) = &opened.client {
                client.make_tables().await.map_err(StartError::Store)?;
            }
            opened.store.ready().await.map_err(StartError::Store)?;
        }
        let same_magic = !changes.touch(&MAGIC);
        let magic = if same_magic { self.magic.clone() } else { client(config)? };
        let audiences = match (&config.audiences, &magic) {
            (Some(audiences), _) => audiences.clone(),
            (None, Some(_)) if same_magic && self.config().audiences.is_none() => {
                self.audiences.clone()
            }
            (None, Some(magic)) => client_id(magic).await.map_err(StartError::ClientId)?,
            (None, None) => return Err(StartError::NoAudience),
        };
        // Without a key of its own it has made one, which challenges on their way need.
        let bound_login =
            match changes.touch(&["sessions.bound_login", "sessions.bound_login_key_file"]) {
                true => config.sessions.bound_login.clone(),
                false => self.bound_login.clone(),
            };
        let number = self.number.saturating_add(1);
        let parts = Parts { number, given, loaded, tls, opened, magic, audiences, bound_login };
        parts.assemble(Some(&self.auth), around)
    }

    /// Reads what is given now. Waits for disks: not to be called where others wait.
    pub(super) fn read_again(&self, given: Given) -> Result<Later, String> {
        let read = given.load_after(&self.given, &self.loaded);
        let (loaded, wanted) = read.map_err(|invalid| invalid.to_string())?;
        let changes = Changes::between(&self.loaded, &loaded);
        let tls = match changes.touch(&["listen.tls."]) {
            true => tls_of(&loaded.config).map_err(|error| error.to_string())?,
            false => self.tls.clone(),
        };
        let needs_restart = wanted.iter().filter(|change| change.needs_restart);
        let needs_restart = needs_restart.map(|change| change.what.clone()).collect();
        Ok(Later { given, loaded, tls, changes, needs_restart })
    }

    pub(super) fn config(&self) -> &Config {
        &self.loaded.config
    }
}

/// The client for Magic's Admin API, if there is one.
fn client(config: &Config) -> Result<Option<Magic>, StartError> {
    config.magic.as_ref().map(people::client).transpose().map_err(StartError::Magic)
}

/// The audience of the secret key's application: asked for once, since the one before still serves.
async fn client_id(magic: &Magic) -> Result<Audiences, MagicError> {
    Ok(Audiences::from(magic.client_id().await?))
}

/// What a generation is assembled of.
struct Parts {
    number: u64,
    given: Given,
    loaded: Loaded,
    tls: Option<Tls>,
    opened: Opened,
    magic: Option<Magic>,
    audiences: Audiences,
    bound_login: Option<BoundLogin>,
}

impl Parts {
    /// With the caches of what guarded `before`.
    fn assemble(
        self,
        before: Option<&DidAuth>,
        around: &Around,
    ) -> Result<(Generation, Served), StartError> {
        let Self { number, given, loaded, tls, opened, magic, audiences, bound_login } = self;
        let loaded = Arc::new(loaded);
        let config = &loaded.config;
        let sign_in: Option<MagicSignIn> = people::sign_in(config, magic.as_ref());
        let store = Arc::clone(&opened.store);
        let auth =
            did_auth::did_auth(config, audiences.clone(), sign_in, bound_login.as_ref(), store)
                .map_err(StartError::Auth)?;
        let auth = match before {
            Some(before) => auth.with_caches_of(before),
            None => auth,
        };
        let prefix = &config.public.prefix;
        let page = config.sign_in.as_ref().map(|sign_in| sign_in.page(&auth, prefix)).transpose();
        let page = page.map_err(|error| StartError::SignIn(error.to_string()))?;
        let clock = Arc::new(SystemClock);
        let router =
            public::router(&loaded.config, &auth, page, magic.clone(), &around.counted, clock)
                .map_err(StartError::Assertion)?;
        let served = Served {
            public: Serving::new(router, tls.clone(), config.limits.clone()),
            private: config.private.as_ref().map(|PrivateListener { admin_secret, .. }| {
                let (measures, stop) = (around.measures.clone(), around.stop.clone());
                let audit = Audit::new(&config.log);
                let secret = admin_secret.as_ref();
                let router = private::router(&auth, measures, stop, number, secret, audit);
                let connections = PRIVATE_CONNECTIONS;
                Serving::new(router, None, Limits { connections, ..config.limits.clone() })
            }),
        };
        let generation =
            Generation { number, given, loaded, tls, opened, magic, audiences, bound_login, auth };
        Ok((generation, served))
    }
}
