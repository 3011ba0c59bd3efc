//! Why a Redis store could not be opened: a setting, or Redis.

use std::fmt;

use crate::session::StoreError;

/// An invalid setting of a [`RedisStore`](super::RedisStore).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisConfigError {
    /// No URL, one that leads to no Redis, or several that do not belong together.
    InvalidUrl,
    /// A URL has a parameter that is not known, or one of them twice.
    UnknownParameter,
    /// A prefix that is empty, too long, or holds more than visible ASCII without braces.
    InvalidPrefix,
    /// The URL asks for TLS, and the feature `redis-tls` is off.
    TlsNotEnabled,
    /// Certificates or keys that cannot be read, or no root certificate at all.
    InvalidCertificates,
    /// The call was made outside a tokio runtime.
    NoRuntime,
}

impl fmt::Display for RedisConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidUrl => "expected redis://[user:password@]host[:port][/database], the password percent-encoded, and for a cluster the same scheme in all URLs and database 0",
            Self::UnknownParameter => "a parameter of the URL is not known, or given twice; expected redis://host:port/database, or unix:///path with db, user and pass",
            Self::InvalidPrefix => "a prefix must be 1 to 64 visible ASCII characters without braces",
            Self::TlsNotEnabled => "rediss:// needs the feature redis-tls",
            Self::InvalidCertificates => "the certificates or keys cannot be read, or there is no root certificate",
            Self::NoRuntime => "the store must be opened within a tokio runtime",
        })
    }
}

impl std::error::Error for RedisConfigError {}

/// Why [`RedisStore`](super::RedisStore) could not connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum RedisConnectError {
    /// A setting is invalid.
    Config(RedisConfigError),
    /// Redis does not answer, or not as it should.
    Store(StoreError),
}

impl fmt::Display for RedisConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RedisConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Store(error) => error.source(),
        }
    }
}
