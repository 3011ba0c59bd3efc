//! Internals for fuzz targets and the test crate of the curve. This is not API: it exists with
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
