//! Sign users in with [Magic](https://magic.link) and keep your own sessions.
//!
//! Magic's client SDK hands the browser a *DID token*: a claim signed by the user's own key.
//! This crate is a [tower] layer that verifies the token and answers with an HTTPS session
//! cookie. From then on, the cookie is enough. There is no call to Magic, and no secret is stored.
//!
//! [tower]: https://docs.rs/tower
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::get};
//! use tower_didt::{DidAuth, Session, Verifier};
//!
//! let auth = DidAuth::new(Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"));
//! let app: Router = Router::new()
//!     .route("/me", get(|session: Session| async move { session.issuer().to_string() }))
//!     .layer(auth.layer());
//! # }
//! ```
//!
//! A session therefore identifies *someone*, who is not yet one of your users: anyone can make a
//! key and sign a token with it. Look the issuer up before you show anything that is not public, in
//! the handler or with [`DidAuth::with_on_sign_in`] and [`DidAuth::with_on_token`].
//!
//! # What a token proves
//!
//! Anyone can make a secp256k1 key and sign any claim with it. The only fact that a valid token
//! proves is: the holder of the key behind `iss` made this statement for this `aud`. **The issuer
//! is the only identity.** A session therefore identifies *someone*, not yet a user of your
//! application: look users up by [`Session::issuer`]. `sub` and `ext` are whatever the holder
//! wrote.
//!
//! # From a request to a session
//!
//! ```text
//! request ─ credentials ┬ cookie ─ store.load ───────────────────────────┐
//!                       └ token ─ proof cache ─(miss)─ decode ─ recover  │
//!                                    │ signed claim             signer   │
//!                                verifier (audience, times)              │
//!                                    │ verified claim                    │
//!                                bound login (where configured)          │
//!                                    │                                   │
//!                                the application's hooks                 │
//!                                    │                                   │
//!                                store.mint (once per token) ─ Set-Cookie┤
//!   rejection ◄─ any failure                                             ▼
//!                                                inner service → response
//! ```
//!
//! A request passes if exactly one of these holds:
//!
//! 1. It carries one `Authorization: Bearer` token that the [`Verifier`] accepts, no older than
//!    the cap on age, and (with [`Replay::SingleUse`]) not used before or (with
//!    [`Replay::NewestOnly`]) not superseded; where it may sign in, no page of a foreign origin
//!    caused it. And either the cookie beside it is that of a living session of the token's
//!    issuer, or, with [`BoundLogin`], it was made for this browser's challenge, and the
//!    application's hooks, where there are any, agree. No other cookie beside it matters.
//! 2. It carries no token but the cookie of a living session; and, for unsafe methods and
//!    WebSocket upgrades, no page of a foreign origin caused it.
//! 3. The layer is [optional][`DidLayer::optional`], and it carries no token and no cookie of a
//!    living session; one that opens nothing passes where 2 would let a living one pass.
//!
//! Everything else is a [`Rejection`]; its documentation and [`DidAuth`]'s say what the client is
//! told. A store that cannot answer means 503: nobody is let in, and nobody is signed out.
//!
//! # Deployment
//!
//! - HTTPS only: browsers refuse a `__Host-` cookie over plain HTTP.
//! - Proxies in front must pass `Host`, `Origin` and `Sec-Fetch-Site` through unchanged.
//! - Every new token costs one signature check (some 100 µs): put a rate limit in front.
//! - Put the layer outside of whatever reads the body, so that a rejected client does not upload
//!   one for nothing.
//! - [`MemoryStore`] is one process: with several, sign-ins of one are unknown to the others.
//!   `SealedStore` keeps sessions in their cookies instead; its documentation has a table of what
//!   that guarantees.
//!
//! # Features
//!
//! | Feature | Default | Brings |
//! |---|---|---|
//! | none | | [`Verifier`] and all that it needs, no I/O: no http, tower, moka, tokio |
//! | `session` | yes | [`SessionStore`](store::SessionStore), [`MemoryStore`], [`NoSessions`], [`OnceOnly`] |
//! | `layer` | yes | [`DidAuth`], [`DidLayer`] |
//! | `sealed` | | `SealedStore`: sessions inside their cookies, encrypted |
//! | `magic` | | `magic`: e-mail addresses and more about signed-in users, from Magic's Admin API; needs tokio |
//! | `idna` | | e-mail domains in Unicode, for `magic` |
//! | `axum` | | [`Session`], `Data` and `Require` as extractors; brings `tokio` along |
//! | `tokio` | | in Tokio, sessions wait less while a flood of new tokens is checked; `magic`, `redis`, `postgres` and `sqlite` bring it along |
//! | `postgres` | | `PostgresStore`: sessions in PostgreSQL, shared by several machines; needs Rust 1.94 |
//! | `redis` | | `RedisStore`: sessions in Redis or Valkey, shared by several machines |
//! | `redis-tls` | | `rediss://` for it, with rustls |
//! | `sign-in-page` | | `page`: a page to sign in with Magic, and redirects to it |
//! | `sqlite` | | `SqliteStore`: sessions in an SQLite file, for one machine; needs a C compiler and Rust 1.94 |
//! | `testing` | | `testing`: a wallet that mints tokens, a fixed clock, a test suite for stores |
//! | `tracing` | | one event per decision and per change to a session, without secrets |
//! | `metrics` | | counters and latencies, see below |
//! | `libsecp256k1` | | the same verdicts from the C library of that name, faster; needs a C compiler |
//!
//! # Watching it
//!
//! With `tracing`, each request is one line. `tracing_subscriber::fmt()` with the most verbose
//! level `DEBUG` writes, here without time and module, and a second line, `INFO refused`, where a
//! guard or a handler answers with a [`Rejection`]:
//!
//! ```text
//! DEBUG rejected outcome="missing_credentials" reason=no credentials were sent cookie="kept"
//! DEBUG passed outcome="session" issuer=did:ethr:0x328809Bc894f92807417D2dAD6b7C998c1aFdac6 cookie="set"
//!  INFO rejected outcome="audience_mismatch" reason=made for audience "did:magic:other", but expected "did:magic:my-app" cookie="kept"
//! ```
//!
//! `passed` is at level `debug`; `rejected` at `info`, without credentials at `debug`. Beside them:
//! `store` (info) per session minted, claimed or revoked, `store failed` (error), and the spans
//! `decide` and, for a store that has to be waited for, `store`. With `metrics`:
//!
//! | Name | Kind | Labels |
//! |---|---|---|
//! | `didt_requests_total` | counter | `outcome`: `session`, `token`, `anonymous`, or why not: [`Rejection::name`], of the layer or of a guard or handler behind it; counted once the answer is known |
//! | `didt_verify_seconds` | histogram | `cache`: `hit`, `miss`; `outcome`: `accepted` or [`TokenError::name`] |
//! | `didt_store_seconds` | histogram | `operation`; `outcome`: `minted`, `already_used`, `found`, …, `unreadable` (a record was lost), `error` |
//! | `didt_postgres_local_copies` | gauge | 1, or 0 while PostgreSQL does not report changes |
//! | `didt_postgres_unreadable_total`, `didt_sqlite_unreadable_total` | counter | rows that hold no session |
//! | `didt_redis_local_copies` | gauge | `server`; 1, or 0 where the server refuses what local copies need |
//! | `didt_redis_unreadable_total` | counter | records in Redis that this version cannot read |
//! | `didt_magic_calls_total` | counter | `call`: `user`, `client_id`, `sign_out`; `outcome`: `ok` or why not: `MagicError::name` |
//! | `didt_magic_call_seconds` | histogram | the same |
//! | `didt_magic_lookups_total` | counter | `answer`: `fresh`, `stale`, `unknown` (without a call), `asked`, `failed` |
//!
//! None of them ever holds a token, a cookie or a session id.

// The guide links to the layer, which is not there without its feature.
#![cfg_attr(not(feature = "layer"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod did;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
#[cfg(any(fuzzing, tower_didt_internals))]
#[doc(hidden)]
pub mod internals;
#[cfg(feature = "layer")]
mod middleware;
#[cfg(feature = "session")]
mod session;
#[cfg(any(feature = "layer", feature = "magic"))]
mod stopwatch;
#[cfg(feature = "session")]
mod sync;

#[cfg(any(feature = "magic", feature = "redis-tls"))]
mod tls;

#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod extract;
#[cfg(feature = "magic")]
#[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
pub mod magic;
#[cfg(feature = "sign-in-page")]
#[cfg_attr(docsrs, doc(cfg(feature = "sign-in-page")))]
pub mod page;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

pub use self::did::{
    Address, Audiences, Clock, Issuer, SystemClock, Timestamp, TokenError, VerifiedClaim, Verifier,
};
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub use self::extract::Data;
#[cfg(feature = "layer")]
pub use self::middleware::{
    BoundLogin, Challenge, ConfigError, DidAuth, DidLayer, Guard, Login, Origin, Refusal,
    Rejection, Remember, RememberMe, Replay, Role, SameSite, Session, SessionCookie, TrustedOrigin,
};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use self::session::PostgresStore;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use self::session::RedisStore;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::session::SqliteStore;
#[cfg(feature = "session")]
pub use self::session::{
    AnyStore, Lifetimes, MemoryStore, NoSessions, OnceOnly, SessionHandle, SessionLimit,
    SessionRecord, StoreError,
};
#[cfg(feature = "sealed")]
#[cfg_attr(docsrs, doc(cfg(feature = "sealed")))]
pub use self::session::{SealedStore, SealingKeys};
#[cfg(feature = "magic")]
#[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
pub use self::{magic::MagicUser, middleware::MagicSignIn};

pub mod token {
    //! Tokens in detail: their contents, their faults and their limits.

    pub use crate::did::{
        Claim, ClaimDigest, DEFAULT_LEEWAY, DidToken, Field, InvalidAudience, IssuerKey,
        MAX_TOKEN_LEN, Malformed, OutOfRange, ParseIssuerError, SignatureFault, SignatureOf,
        SignedClaim,
    };
}

#[cfg(feature = "session")]
#[cfg_attr(docsrs, doc(cfg(feature = "session")))]
pub mod store {
    //! For stores of your own: the contract, and what it speaks of.

    pub use crate::session::{
        BoxError, DEFAULT_MAX_SESSIONS_PER_ISSUER, DataUpdate, ISSUERS_PER_PAGE, IssuerCursor,
        IssuerPage, MAX_ENDED_PER_MINT, MAX_SESSION_DATA_BYTES, MAX_SESSIONS_PER_PAGE, Minted,
        NewSession, PageCursor, PageRequest, ParseCursorError, ParseHandleError, SessionData,
        SessionExpired, SessionPage, SessionStore, StoreFuture, StoreUrlError, Ticket, TokenMark,
        TokenState, Touched,
    };
}

#[cfg(feature = "sealed")]
#[cfg_attr(docsrs, doc(cfg(feature = "sealed")))]
pub mod sealed {
    //! Sessions sealed into their cookies: the ledger behind a [`SealedStore`](crate::SealedStore).

    pub use crate::session::{
        Birth, MemoryLedger, RevocationLedger, SealedSession, SealingKeyError,
    };
}

#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres {
    //! Settings, errors and warnings of a [`PostgresStore`](crate::PostgresStore).

    pub use crate::session::{
        PostgresConfigError, PostgresConnectError, PostgresStoreBuilder, PostgresWarning,
    };
}

#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub mod redis {
    //! Settings, errors and warnings of a [`RedisStore`](crate::RedisStore).

    pub use crate::session::{
        RedisConfigError, RedisConnectError, RedisStoreBuilder, RedisWarning,
    };
}

#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite {
    //! Settings and errors of an [`SqliteStore`](crate::SqliteStore).

    pub use crate::session::{SqliteConfigError, SqliteConnectError, SqliteStoreBuilder};
}

#[cfg(feature = "layer")]
#[cfg_attr(docsrs, doc(cfg(feature = "layer")))]
pub mod layer {
    //! The layer's service, future, body and answers: types that rarely have to be named.

    pub use crate::middleware::{
        AcceptedToken, Answer, AnswerBody, AuthBody, BindingFault, DataError, DidService,
        GuardFuture, GuardLayer, GuardService, GuardedLayer, NAVIGATION_HEADERS, ParseOriginError,
        Rejected, RejectedIssuer, ResponseFuture, SessionCount, Sessions, UnreadableData,
        forbid_storing, is_navigation,
    };
}

/// The examples of the README, compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Tests the examples of the README.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../docs/bound-login.md")]
    struct BoundLogin;
    #[cfg(all(feature = "axum", feature = "sign-in-page"))]
    #[doc = include_str!("../docs/from-tower-sessions.md")]
    struct FromTowerSessions;
    #[doc = include_str!("../docs/local-development.md")]
    struct LocalDevelopment;
    #[doc = include_str!("../docs/migrating.md")]
    struct Migrating;
    #[doc = include_str!("../docs/mobile-client.md")]
    struct MobileClient;
    #[cfg(all(feature = "postgres", feature = "sqlite"))]
    #[doc = include_str!("../docs/postgres.md")]
    struct Postgres;
    #[cfg(all(feature = "redis", feature = "sealed"))]
    #[doc = include_str!("../docs/redis.md")]
    struct Redis;
    #[cfg(all(feature = "axum", feature = "testing"))]
    #[doc = include_str!("../docs/roles-and-data.md")]
    struct RolesAndData;
    #[cfg(all(feature = "axum", feature = "sign-in-page"))]
    #[doc = include_str!("../docs/sign-in-page.md")]
    struct SignInPage;
    #[doc = include_str!("../docs/single-page-app.md")]
    struct SinglePageApp;
    #[cfg(all(feature = "postgres", feature = "redis", feature = "sealed", feature = "sqlite"))]
    #[doc = include_str!("../docs/stores.md")]
    struct Stores;
    #[doc = include_str!("../docs/under-load.md")]
    struct UnderLoad;
    #[cfg(all(feature = "axum", feature = "magic", feature = "testing"))]
    #[doc = include_str!("../docs/who-is-signed-in.md")]
    struct WhoIsSignedIn;
}
