//! Test your own service without Magic: a wallet that mints DID tokens, and a fixed clock.
//! Test your own store: `store_suite` has the behaviour that every store must have.
//!
//! Behind the feature `testing`. Enable it for your tests only:
//!
//! ```toml
//! [dev-dependencies]
//! tower-didt = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! use std::time::Duration;
//! use tower_didt::testing::{FixedClock, Wallet};
//! use tower_didt::{Clock, Timestamp, Verifier};
//!
//! let clock = FixedClock::at(Timestamp::from_secs(1_700_000_000));
//! let alice = Wallet::from_seed("alice");
//! let token = alice.token("did:magic:my-app").issued_at(clock.now()).mint();
//!
//! let verifier = Verifier::new("did:magic:my-app");
//! assert_eq!(verifier.verify(&token, clock.now())?.issuer(), alice.issuer());
//!
//! clock.advance(Duration::from_secs(901));
//! assert!(verifier.verify(&token, clock.now()).is_err());
//! # Ok::<(), tower_didt::TokenError>(())
//! ```

mod clock;
#[cfg(feature = "magic")]
mod magic;
#[cfg(feature = "layer")]
mod sign_in;
#[cfg(feature = "layer")]
mod signed_in;
#[cfg(feature = "layer")]
mod test_session;
mod wallet;

#[cfg(feature = "session")]
pub mod store_suite;

pub use self::clock::FixedClock;
#[cfg(feature = "magic")]
#[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
pub use self::magic::{
    ContentType, Fault, Generation, Magic, MagicServer, SeenRequest, TestUser, UnknownUser,
};
#[cfg(feature = "layer")]
pub use self::sign_in::{session, sign_in};
#[cfg(feature = "layer")]
pub use self::signed_in::{SignedIn, signed_in};
#[cfg(feature = "layer")]
pub use self::test_session::TestSession;
pub use self::wallet::{TokenBuilder, Wallet};
