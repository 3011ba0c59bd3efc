//! The crate's own files, with what it needs around it.

pub(crate) use tower_didt::{Address, SignatureFault};

pub(crate) mod personal_sign {
    pub(crate) type Prehash = [u8; 32];
}

#[path = "../../../../../src/did/curve/mod.rs"]
mod curve;
#[path = "../../../../../src/did/signature.rs"]
pub(crate) mod signature;

/// What the crate says about a signature.
pub(crate) fn recover(text: &str, digest: &[u8; 32]) -> Result<Address, SignatureFault> {
    let key = signature::Signature::parse(text)?.recover(digest)?;
    Ok(signature::address_of(&key))
}
