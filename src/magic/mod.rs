//! Looks up who is behind an issuer in Magic's Admin API, as rarely as possible.
//!
//! A valid token proves that someone has a key, and anyone can make one. Whether that key is a
//! user of your application, and which person it is, only Magic knows.
//!
//! - [`Magic`]: the profile of an issuer, through a cache. [`DidAuth::with_magic`] makes every
//!   sign-in ask for it, and handlers get the [`MagicUser`].
//! - [`AdminApi`]: the calls themselves, over the built-in [`Transport`] or any `tower::Service`.
//! - [`Email`] and [`EmailPattern`]: the people that a rule covers.
//!
//! Behind the feature `magic`. The guide is `docs/who-is-signed-in.md`.
//!
//! [`DidAuth::with_magic`]: crate::DidAuth::with_magic

// people ─┬─ cache     what Magic said lately
//         ├─ flights   one call for all who ask the same
//         └─ api ─┬─ answer    status and body → profile or error
//                 ├─ endpoint, secret_key
//                 └─ exchange ─ transport
mod answer;
mod api;
mod cache;
mod config_error;
mod email;
mod email_pattern;
mod endpoint;
mod error;
mod exchange;
mod flights;
mod observe;
mod people;
mod secret_key;
mod sign_outs;
mod transport;
mod user;

#[cfg(feature = "testing")]
pub(crate) use self::answer::user_of_object;
pub use self::api::AdminApi;
pub use self::config_error::MagicConfigError;
pub use self::email::{Email, ParseEmailError};
pub use self::email_pattern::{EmailPattern, ParseEmailPatternError};
pub use self::error::{MagicError, NotUnderstood, Unavailable};
pub use self::people::{Magic, ProfileChange};
pub use self::secret_key::{SecretKey, SecretKeyError};
pub use self::transport::Transport;
pub use self::user::{MagicUser, UserWallet};
