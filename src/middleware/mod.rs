//! HTTP headers and tower: which requests pass, and what goes into the cookie.
//!
//! ```text
//! service ─► gate ─┬─ credentials   what the request carries
//!                  ├─ cross_origin  may this page use the cookie
//!                  ├─ proof_cache   who signed the token (issuer_keys: with a known key; turns: when)
//!                  ├─ bound_login   was it made for this browser ─ challenge
//!                  ├─ people        who that is, by Magic's word
//!                  └─ login         the application's say
//!            future ◄─ decision ─► rejection ─ responder, cookie, session
//! ```

mod answer;
mod auth;
mod binding_fault;
mod body;
mod bound_login;
mod challenge;
mod config_error;
mod cookie;
mod cookie_change;
mod credentials;
mod cross_origin;
mod data_error;
mod decision;
mod domain;
mod future;
mod gate;
mod guard;
mod guard_layer;
mod happened;
mod instead;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
mod issuer_keys;
mod layer;
mod login;
mod longest_age;
#[cfg(feature = "magic")]
mod magic_sign_in;
mod navigation;
mod no_store;
mod observe;
mod origin;
mod people;
mod proof_cache;
mod refusal;
mod rejected;
mod rejected_issuer;
mod rejection;
mod remember;
mod replay;
mod responder;
mod service;
mod session;
mod session_data;
mod sessions;
mod token_hook;
mod turns;

pub use self::answer::Answer;
pub use self::auth::DidAuth;
pub use self::binding_fault::BindingFault;
pub use self::body::{AnswerBody, AuthBody};
pub use self::bound_login::BoundLogin;
pub use self::challenge::Challenge;
pub use self::config_error::ConfigError;
pub use self::cookie::{SameSite, SessionCookie};
pub use self::data_error::{DataError, UnreadableData};
pub use self::future::ResponseFuture;
pub use self::guard::{Guard, Role};
pub use self::guard_layer::{GuardFuture, GuardLayer, GuardService, GuardedLayer};
pub use self::layer::DidLayer;
pub use self::login::Login;
#[cfg(feature = "magic")]
pub use self::magic_sign_in::MagicSignIn;
pub use self::navigation::{NAVIGATION_HEADERS, is_navigation};
pub use self::no_store::forbid_storing;
pub use self::origin::{Origin, ParseOriginError, TrustedOrigin};
pub use self::refusal::Refusal;
pub use self::rejected::Rejected;
pub use self::rejected_issuer::RejectedIssuer;
pub use self::rejection::Rejection;
pub use self::remember::{Remember, RememberMe};
pub use self::replay::Replay;
pub use self::service::DidService;
pub use self::session::Session;
pub use self::sessions::{SessionCount, Sessions};
pub use self::token_hook::AcceptedToken;

#[cfg(feature = "sign-in-page")]
pub(crate) use self::cross_origin::TrustedOrigins;
#[cfg(feature = "axum")]
pub(crate) use self::gate::Anonymous;
#[cfg(feature = "sign-in-page")]
pub(crate) use self::instead::{Instead, Scheme};
