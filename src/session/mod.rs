//! What the server remembers: sessions, and which tokens were used.
//!
//! Nothing in here knows HTTP. A store takes `now` as an argument and never reads a clock.

#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod addressed;
mod any_store;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod copies;
mod data;
#[cfg(all(feature = "redis", tower_didt_internals))]
pub(crate) mod internals;
mod issuer_lines;
mod issuers;
#[cfg(any(feature = "postgres", feature = "redis", feature = "sqlite"))]
mod kept;
mod lifetimes;
mod memory;
mod newest_tokens;
mod none;
mod once;
mod page;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sealed")]
mod sealed;
mod shared;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;
mod store_error;
mod ticket;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod url_parameters;
mod used_tokens;

pub use self::any_store::{AnyStore, StoreUrlError};
pub use self::data::{MAX_SESSION_DATA_BYTES, SessionData};
pub use self::issuers::{ISSUERS_PER_PAGE, IssuerCursor, IssuerPage};
pub use self::lifetimes::{Lifetimes, SessionExpired};
pub use self::memory::MemoryStore;
pub use self::none::NoSessions;
pub use self::once::OnceOnly;
pub use self::page::{
    DEFAULT_MAX_SESSIONS_PER_ISSUER, MAX_ENDED_PER_MINT, MAX_SESSIONS_PER_PAGE, PageCursor,
    PageRequest, ParseCursorError, SessionLimit, SessionPage,
};
#[cfg(feature = "postgres")]
pub use self::postgres::{
    PostgresConfigError, PostgresConnectError, PostgresStore, PostgresStoreBuilder, PostgresWarning,
};
pub use self::record::{ParseHandleError, SessionHandle, SessionRecord};
#[cfg(feature = "redis")]
pub use self::redis::{
    RedisConfigError, RedisConnectError, RedisStore, RedisStoreBuilder, RedisWarning,
};
#[cfg(feature = "sealed")]
pub use self::sealed::{
    Birth, MemoryLedger, RevocationLedger, SealedSession, SealedStore, SealingKeyError, SealingKeys,
};
#[cfg(feature = "sqlite")]
pub use self::sqlite::{SqliteConfigError, SqliteConnectError, SqliteStore, SqliteStoreBuilder};
pub use self::store::{
    DataUpdate, Minted, NewSession, SessionStore, StoreFuture, TokenMark, TokenState, Touched,
};
pub use self::store_error::{BoxError, StoreError};
pub use self::ticket::Ticket;

#[cfg(all(feature = "redis", any(fuzzing, tower_didt_internals)))]
pub(crate) use self::redis::read_record as read_redis_record;
