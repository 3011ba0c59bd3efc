//! Settings, and what may be wrong with them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::cluster::Cluster;
use super::endpoint::{Dialer, Location};
use super::invalidations::Invalidations;
use super::keys::{Keys, SLOTS};
use super::link::{Link, LinkSettings};
use super::local::Copies;
use super::ownership::Ownership;
#[cfg(feature = "redis-tls")]
use super::tls::{Certificates, Tls};
use super::topology::Topology;
use super::{Inner, RedisConfigError, RedisConnectError, RedisStore};

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

/// Settings of a [`RedisStore`]. Made by [`RedisStore::builder`].
///
/// `Debug` shows no password.
#[derive(Clone)]
#[must_use = "call `open` or `connect` to get the store"]
pub struct RedisStoreBuilder {
    urls: Vec<String>,
    cluster: bool,
    prefix: String,
    timeout: Duration,
    ping_interval: Duration,
    local_bytes: u64,
    #[cfg(feature = "redis-tls")]
    certificates: Certificates,
}

impl RedisStoreBuilder {
    pub(super) fn new(urls: Vec<String>, cluster: bool) -> Self {
        Self {
            urls,
            cluster,
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

    /// How long a call may take, waiting for a connection included, before it fails
    /// with [`StoreError::Unavailable`]. Defaults to 200 ms; at least 1 ms, at most 60 s.
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

    /// The store, connecting in the background. Until Redis can be reached, every call
    /// fails with [`StoreError::Unavailable`]. To be called within a tokio runtime with
    /// I/O and time enabled, and used there.
    ///
    /// # Errors
    ///
    /// [`RedisConfigError`] if a setting is invalid.
    pub fn open(&self) -> Result<RedisStore, RedisConfigError> {
        let runtime = Handle::try_current().map_err(|_| RedisConfigError::NoRuntime)?;
        let keys = Keys::new(&self.prefix).ok_or(RedisConfigError::InvalidPrefix)?;
        let locations =
            self.urls.iter().map(|url| Location::parse(url)).collect::<Result<Vec<_>, _>>()?;
        let first = locations.first().ok_or(RedisConfigError::InvalidUrl)?;
        if locations.iter().any(|other| other.tls != first.tls)
            || (self.cluster && first.credentials.database() != 0)
        {
            return Err(RedisConfigError::InvalidUrl);
        }
        #[cfg(not(feature = "redis-tls"))]
        if first.tls {
            return Err(RedisConfigError::TlsNotEnabled);
        }
        let dialer = Arc::new(Dialer {
            credentials: first.credentials.clone(),
            #[cfg(feature = "redis-tls")]
            tls: first.tls.then(|| Tls::new(&self.certificates)).transpose()?,
        });
        let slots = if self.cluster { SLOTS } else { 0 };
        let invalidations = Arc::new(Invalidations::new(self.local_bytes, slots));
        let settings = LinkSettings {
            dialer,
            keys: keys.clone(),
            invalidations: Arc::clone(&invalidations),
            tracking: self.local_bytes > 0,
            ownership: self.cluster.then(|| Arc::new(Ownership::new(Arc::clone(&invalidations)))),
            timeout: self.timeout,
            ping_interval: self.ping_interval,
            lost: Arc::default(),
        };
        let mut endpoints = locations.into_iter().map(|location| location.endpoint);
        let topology = if self.cluster {
            Topology::Cluster(Cluster::new(endpoints.collect(), settings, &runtime))
        } else {
            let endpoint = endpoints.next().ok_or(RedisConfigError::InvalidUrl)?;
            Topology::Single(Link::new(endpoint, settings, &runtime))
        };
        Ok(RedisStore(Arc::new(Inner {
            topology,
            copies: Copies::new(Arc::clone(&invalidations), self.local_bytes),
            #[cfg(feature = "sealed")]
            ends: Copies::new(Arc::clone(&invalidations), self.local_bytes),
            invalidations,
            keys,
            timeout: self.timeout,
        })))
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
            .field("cluster", &self.cluster)
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .field("ping_interval", &self.ping_interval)
            .field("local_bytes", &self.local_bytes)
            .finish_non_exhaustive()
    }
}
