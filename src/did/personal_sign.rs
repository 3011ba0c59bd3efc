//! The text that is actually signed: EIP-191 `personal_sign`.

use sha3::{Digest, Keccak256};

/// A keccak-256 digest.
pub(crate) type Prehash = [u8; 32];

/// The digest that an Ethereum wallet signs for `message`:
/// keccak-256 of `"\x19Ethereum Signed Message:\n"`, the message's length in
/// *bytes* as decimal digits, and the message exactly as it is (EIP-191, version 0x45).
pub(crate) fn prehash(message: &[u8]) -> Prehash {
    Keccak256::new()
        .chain_update(b"\x19Ethereum Signed Message:\n")
        .chain_update(message.len().to_string())
        .chain_update(message)
        .finalize()
        .into()
}
