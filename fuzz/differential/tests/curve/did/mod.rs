//! The crate's own file, with what it needs around it.

pub(crate) use tower_didt::{Address, SignatureFault};

pub(crate) mod personal_sign {
    pub(crate) type Prehash = [u8; 32];
}

#[path = "../../../../../src/did/signature.rs"]
pub(crate) mod signature;

/// What the crate says about a signature.
pub(crate) fn recover(text: &str, digest: &[u8; 32]) -> Result<Address, SignatureFault> {
    signature::Signature::parse(text)?.recover(digest)
}
