//! Sessions that live in their cookies.
//!
//! ```text
//! store ─┬─ keys ◄─ key_text      what seals
//!        ├─ payload ─► envelope   a session as a cookie's value
//!        ├─ handle                a session's name, signed
//!        └─ ledger ◄─ memory_ledger ─ revocations
//! ```

mod envelope;
mod handle;
#[cfg(all(test, tower_didt_loom))]
mod interleavings;
mod key_error;
mod key_text;
mod keys;
mod ledger;
mod memory_ledger;
mod payload;
mod revocations;
mod store;
mod versions;

pub use self::key_error::SealingKeyError;
pub use self::keys::SealingKeys;
pub use self::ledger::{Birth, RevocationLedger, SealedSession};
pub use self::memory_ledger::MemoryLedger;
#[cfg(feature = "redis")]
pub(in crate::session) use self::revocations::{MAX_CLOCK_SKEW, MAX_PER_ISSUER};
pub use self::store::SealedStore;

/// The least that a sealing key must have, in bytes: 256 bits, the strength of AES-256.
const MIN_KEY_LEN: usize = 32;
