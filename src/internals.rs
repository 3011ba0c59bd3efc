//! Internals for fuzz targets, the test crate of the curve and the simulation. This is not API: it exists with
//! `--cfg fuzzing` and `--cfg tower_didt_internals` only.
#![allow(missing_docs, clippy::missing_errors_doc)]

use crate::did::{Address, SignatureFault, recover_signer};
#[cfg(feature = "redis")]
use crate::{did::Issuer, session::SessionHandle, session::SessionRecord};

/// Who made a signature (`0x` and 130 hexadecimal digits) over a digest.
pub fn recover(signature: &str, digest: &[u8; 32]) -> Result<Address, SignatureFault> {
    recover_signer(signature, digest)
}

/// Reads a session as Redis holds it.
#[cfg(feature = "redis")]
#[must_use]
pub fn redis_record(text: &[u8], issuer: Issuer, handle: SessionHandle) -> Option<SessionRecord> {
    crate::session::read_redis_record(text, issuer, handle)
}

/// What a process decides by that keeps copies of the sessions on a server.
#[cfg(all(feature = "redis", tower_didt_internals))]
pub mod node {
    pub use crate::session::internals::{
        Asked, Changing, Connection, Copies, Pauses, is_young, kept_until, patience, read_ticket,
        ticket, trust,
    };
}
