//! A tower layer for Magic DID tokens.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod did;
#[cfg(feature = "layer")]
mod middleware;
#[cfg(feature = "session")]
mod session;

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "testing")]
pub mod testing;

pub use self::did::{
    Address, Audiences, Claim, ClaimDigest, Clock, DEFAULT_LEEWAY, DidToken, Field, Issuer,
    MAX_CLAIM_DEPTH, MAX_TOKEN_LEN, Malformed, ParseIssuerError, SignatureFault, SignatureOf,
    SignedClaim, SystemClock, Timestamp, TokenError, VerifiedClaim, Verifier,
};
#[cfg(feature = "layer")]
pub use self::middleware::{
    AuthBody, ConfigError, DidAuth, DidLayer, DidService, Login, Refusal, Rejection,
    RejectionHandler, Replay, ResponseFuture, SameSite, Session, SessionCookie,
};
#[cfg(feature = "session")]
pub use self::session::{
    BoxError, DEFAULT_LIFETIME, Lifetimes, MemoryStore, Minted, NewSession, NoSessions,
    ParseHandleError, SessionData, SessionExpired, SessionHandle, SessionRecord, SessionStore,
    StoreError, StoreFuture, Ticket, TokenMark, Touched,
};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::session::{
    RedisConfigError, RedisConnectError, RedisStore, RedisStoreBuilder, RedisWarning,
};
