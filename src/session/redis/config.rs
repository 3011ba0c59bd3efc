//! Settings, and what may be wrong with them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::cluster::Cluster;
use super::endpoint::{Dialer, Endpoint, Location, SharedDialer};
use super::keys::{Keys, SLOTS};
use super::link::Link;
use super::link_settings::LinkSettings;
use super::ownership::Ownership;
use super::sentinels::Sentinels;
#[cfg(feature = "redis-tls")]
use super::tls::{Certificates, Tls};
use super::topology::Topology;
use super::{Inner, RedisConfigError, RedisConnectError, RedisStore};
use crate::session::copies::{Copies, Flights, Invalidations, Rhythm};

/// How long a request may take by default.
const DEFAULT_TIMEOUT: Duration = Duration::from_millis(200);

/// The bounds of all durations: below, nothing would ever answer; above, sums overflow.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

/// How often the connection is tried by default.
const DEFAULT_PING_INTERVAL: Duration = Duration::from_millis(250);

/// What copies may take of memory by default: 32 MiB, some 60,000 sessions without data.
const DEFAULT_LOCAL_BYTES: u64 = 32 * 1024 * 1024;

const DEFAULT_PREFIX: &str = "didt";

/// What the URLs lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Server,
    Cluster,
    /// The first URL names the master, the others lead to Sentinels.
    Sentinels,
}

/// Settings of a [`RedisStore`]. Made by [`RedisStore::builder`].
///
/// `Debug` shows no password.
#[derive(Clone)]
#[must_use = "call `open` or `connect` to get the store"]
pub struct RedisStoreBuilder {
    urls: Vec<String>,
    place: Place,
    prefix: String,
    timeout: Duration,
    ping_interval: Duration,
    local_bytes: u64,
    #[cfg(feature = "redis-tls")]
    certificates: Certificates,
}

/// Settings that are valid.
struct Checked {
    keys: Keys,
    dialer: SharedDialer,
    sentinels: Option<Arc<Sentinels>>,
    /// One, or the seeds of a cluster.
    endpoints: Vec<Endpoint>,
}

impl RedisStoreBuilder {
    pub(super) fn new(urls: Vec<String>, place: Place) -> Self {
        Self {
            urls,
            place,
            prefix: DEFAULT_PREFIX.to_owned(),
            timeout: DEFAULT_TIMEOUT,
            ping_interval: DEFAULT_PING_INTERVAL,
            local_bytes: DEFAULT_LOCAL_BYTES,
            #[cfg(feature = "redis-tls")]
            certificates: Certificates::default(),
        }
    }

    /// What the name of every key begins with, 1 to 64 visible ASCII characters without
    /// braces. Defaults to `didt`. Applications with prefixes of their own share
    /// a Redis and see nothing of each other. **Those with the same prefix accept each other's
    /// sessions**: neither checks the other's sessions with its own audience and hook.
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long a call may take, waiting for a connection included, before it fails with
    /// [`StoreError::Unavailable`](crate::StoreError::Unavailable). Defaults to 200 ms; at least 1
    /// ms, at most 60 s.
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.clamp(SHORTEST, LONGEST);
        self
    }

    /// How often every connection is tried. Defaults to 250 ms; at least 1 ms, at most 60 s.
    ///
    /// Local copies are used for this span and the [timeout](Self::with_timeout)
    /// after the last time that the server was known to answer: that is how long
    /// a revocation may take to arrive when the network is cut.
    pub fn with_ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = interval.clamp(SHORTEST, LONGEST);
        self
    }

    /// What local copies of sessions may take of memory. Defaults to 32 MiB. What is
    /// known of sealed sessions, where the store serves as their ledger, may take
    /// as much again.
    ///
    /// With 0 every session is asked for: no request after a revocation passes, on
    /// any machine, for one round trip a request.
    pub const fn with_local_copies(mut self, max_bytes: u64) -> Self {
        self.local_bytes = max_bytes;
        self
    }

    /// The certificates, as PEM, that servers' certificates must descend from.
    /// Defaults to what the operating system trusts.
    #[cfg(feature = "redis-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificates.roots = Some(pem.into());
        self
    }

    /// The certificate chain and private key, as PEM, to identify with. Defaults to none.
    #[cfg(feature = "redis-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-tls")))]
    pub fn with_client_certificate(
        mut self,
        chain_pem: impl Into<Vec<u8>>,
        key_pem: impl Into<Vec<u8>>,
    ) -> Self {
        self.certificates.client = Some((chain_pem.into(), key_pem.into()));
        self
    }

    /// The store, connecting in the background. Until Redis can be reached, every call fails with
    /// [`StoreError::Unavailable`](crate::StoreError::Unavailable). To be called within a tokio
    /// runtime with I/O and time enabled, and used there.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if a setting is invalid.
    pub fn open(&self) -> Result<RedisStore, RedisConfigError> {
        let Checked { keys, dialer, sentinels, mut endpoints } = self.checked()?;
        let runtime = Handle::try_current().map_err(|_| RedisConfigError::NoRuntime)?;
        let is_cluster = self.place == Place::Cluster;
        let slots = if is_cluster { SLOTS } else { 0 };
        let invalidations = Arc::new(Invalidations::new(self.local_bytes, slots));
        let settings = LinkSettings {
            dialer,
            keys: keys.clone(),
            invalidations: Arc::clone(&invalidations),
            tracking: self.local_bytes > 0,
            ownership: is_cluster.then(|| Arc::new(Ownership::new(Arc::clone(&invalidations)))),
            sentinels,
            rhythm: Rhythm { ping_interval: self.ping_interval, timeout: self.timeout },
            lost: Arc::default(),
        };
        let topology = if is_cluster {
            Topology::Cluster(Cluster::new(endpoints, settings, &runtime))
        } else {
            let endpoint = endpoints.pop().ok_or(RedisConfigError::InvalidUrl)?;
            Topology::Single(Link::new(endpoint, settings, &runtime))
        };
        Ok(RedisStore(Arc::new(Inner {
            topology,
            copies: Copies::new(Arc::clone(&invalidations), self.local_bytes),
            in_flight: Flights::default(),
            #[cfg(feature = "sealed")]
            ends: Copies::new(Arc::clone(&invalidations), self.local_bytes),
            #[cfg(feature = "sealed")]
            ends_in_flight: Flights::default(),
            invalidations,
            keys,
            timeout: self.timeout,
        })))
    }

    /// Makes sure that all settings are valid; connects to nothing, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if one is not.
    pub fn validate(&self) -> Result<(), RedisConfigError> {
        self.checked().map(drop)
    }

    fn checked(&self) -> Result<Checked, RedisConfigError> {
        let keys = Keys::new(&self.prefix).ok_or(RedisConfigError::InvalidPrefix)?;
        let locations =
            self.urls.iter().map(|url| Location::parse(url)).collect::<Result<Vec<_>, _>>()?;
        match (self.place, locations.as_slice()) {
            (Place::Sentinels, [master, sentinels @ ..]) => {
                // Sentinels have no databases.
                let odd = sentinels.iter().any(|it| it.credentials.database() != 0);
                let (Some(group), false) = (master.host(), odd) else {
                    return Err(RedisConfigError::InvalidUrl);
                };
                let endpoints = sentinels.iter().map(|it| it.endpoint.clone()).collect();
                let sentinels = Sentinels::new(group, endpoints, &self.dialer(sentinels)?);
                Ok(Checked {
                    keys,
                    dialer: self.dialer(std::slice::from_ref(master))?,
                    sentinels: Some(Arc::new(sentinels)),
                    endpoints: vec![Endpoint::Sentinel(group.to_owned())],
                })
            }
            (place, _) => {
                let dialer = self.dialer(&locations)?;
                if place == Place::Cluster && dialer.credentials.database() != 0 {
                    return Err(RedisConfigError::InvalidUrl);
                }
                let mut endpoints: Vec<_> =
                    locations.into_iter().map(|location| location.endpoint).collect();
                if place == Place::Server {
                    endpoints.truncate(1);
                }
                Ok(Checked { keys, dialer, sentinels: None, endpoints })
            }
        }
    }

    /// How to connect to servers that are all reached in the same way.
    fn dialer(&self, locations: &[Location]) -> Result<SharedDialer, RedisConfigError> {
        let first = locations.first().ok_or(RedisConfigError::InvalidUrl)?;
        if locations.iter().any(|other| other.tls != first.tls) {
            return Err(RedisConfigError::InvalidUrl);
        }
        #[cfg(not(feature = "redis-tls"))]
        if first.tls {
            return Err(RedisConfigError::TlsNotEnabled);
        }
        Ok(Arc::new(Dialer {
            credentials: first.credentials.clone(),
            #[cfg(feature = "redis-tls")]
            tls: first.tls.then(|| Tls::new(&self.certificates)).transpose()?,
        }))
    }

    /// The store, once Redis has answered.
    ///
    /// # Errors
    ///
    /// [`RedisConnectError`] if a setting is invalid, or Redis does not answer within
    /// a second (or five times the [timeout](Self::with_timeout) if that is more).
    pub async fn connect(&self) -> Result<RedisStore, RedisConnectError> {
        let store = self.open().map_err(RedisConnectError::Config)?;
        let limit = (5 * self.timeout).max(Duration::from_secs(1));
        store.0.ping(limit).await.map_err(RedisConnectError::Store)?;
        Ok(store)
    }
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStoreBuilder")
            .field("place", &self.place)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("ping_interval", &self.ping_interval)
            .field("local_bytes", &self.local_bytes)
            .finish_non_exhaustive()
    }
}
