//! A tower layer for Magic DID tokens.
mod did;
#[cfg(feature = "testing")]
pub mod testing;
pub use self::did::*;
