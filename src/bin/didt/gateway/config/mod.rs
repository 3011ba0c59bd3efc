//! Everything that `didt serve` was told, read and checked.
//!
//! ```text
//! file (TOML) ─┐
//! environment ─┼─► merged ─► file::* (shapes) ─► effective: Config
//! flags ───────┘
//! ```

mod load;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;
use tower_didt::{
    Audiences, BoundLogin, Lifetimes, RedisStoreBuilder, Replay, SealingKeys, SessionCookie,
};

pub(crate) use self::load::{Arguments, load};
use super::peer::TrustedProxies;
use super::policy::Policy;

/// The settings of a gateway, all of them checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) audiences: Audiences,
    pub(crate) public: PublicListener,
    pub(crate) private: Option<PrivateListener>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) cookie: SessionCookie,
    pub(crate) sessions: Sessions,
    pub(crate) store: Store,
    pub(crate) identity: IdentityHeaders,
    pub(crate) assertion: Option<Assertion>,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
}

/// Where browsers and gateways connect.
#[derive(Debug)]
pub(crate) struct PublicListener {
    pub(crate) listen: Listen,
    /// HTTPS with these files, read again on SIGHUP; without them plain HTTP.
    pub(crate) tls: Option<TlsFiles>,
}

/// Where operators connect: health, metrics, administration. Plain HTTP.
#[derive(Debug)]
pub(crate) struct PrivateListener {
    pub(crate) listen: Listen,
    /// What administration asks for as a bearer token. Without it there is no administration.
    pub(crate) admin_secret: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

#[derive(Debug)]
pub(crate) struct Sessions {
    pub(crate) lifetimes: Lifetimes,
    pub(crate) max_per_issuer: Option<NonZeroUsize>,
    pub(crate) replay: Replay,
    pub(crate) max_token_age: Duration,
    pub(crate) bound_login: Option<BoundLogin>,
}

/// Where sessions are kept.
#[derive(Debug)]
pub(crate) enum Store {
    Memory,
    /// In their cookies; revocations in this process's memory or in Redis.
    Sealed {
        keys: SealingKeys,
        ledger: Option<RedisStoreBuilder>,
    },
    Redis(RedisStoreBuilder),
}

/// The names of the headers that tell the upstream who is calling. All of them stand on every
/// 200, empty if nobody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityHeaders {
    /// `did:ethr:0x…`, EIP-55. Defaults to `x-auth-issuer`.
    pub(crate) issuer: HeaderName,
    /// `0x…`, EIP-55. Defaults to `x-auth-address`.
    pub(crate) address: HeaderName,
    /// The session's handle, 64 hexadecimal digits; empty for a token without a session.
    /// Defaults to `x-auth-session`.
    pub(crate) session: HeaderName,
    /// When the session ends, in Unix seconds. Defaults to `x-auth-expires`.
    pub(crate) expires: HeaderName,
    /// The signed assertion; empty if none is configured. Defaults to `x-auth-assertion`.
    pub(crate) assertion: HeaderName,
}

impl IdentityHeaders {
    pub(crate) fn all(&self) -> [&HeaderName; 5] {
        [&self.issuer, &self.address, &self.session, &self.expires, &self.assertion]
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            issuer: HeaderName::from_static("x-auth-issuer"),
            address: HeaderName::from_static("x-auth-address"),
            session: HeaderName::from_static("x-auth-session"),
            expires: HeaderName::from_static("x-auth-expires"),
            assertion: HeaderName::from_static("x-auth-assertion"),
        }
    }
}

/// A short-lived JWT that vouches for the caller towards upstreams that must not trust the network.
#[derive(Debug)]
pub(crate) struct Assertion {
    /// `iss`.
    pub(crate) issuer: String,
    /// `aud`.
    pub(crate) audience: String,
    /// From `iat` to `exp`. Defaults to 60 seconds.
    pub(crate) lifetime: Duration,
    /// A PKCS #8 key, PEM: P-256 (ES256) or Ed25519 (EdDSA). The text of the file.
    pub(crate) key: Secret,
}

/// What a client may take of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at a time; more wait in the system's queue. Defaults to 10,000.
    pub(crate) connections: usize,
    /// Bytes of a request's head. Defaults to 32 KiB.
    pub(crate) header_bytes: usize,
    /// For a request's head to arrive. Defaults to 10 seconds.
    pub(crate) header_timeout: Duration,
    /// For an answer to be made. Defaults to 10 seconds.
    pub(crate) request_timeout: Duration,
    /// For what is in flight when the server stops. Defaults to 30 seconds.
    pub(crate) shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much is logged. Audit events are logged at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

/// A text that stays out of logs, wiped when dropped.
#[derive(Clone)]
pub(crate) struct Secret(zeroize::Zeroizing<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
