//! The curve: which signatures are well formed, and who made one.
//!
//! Nothing outside of this file touches secp256k1. Signatures, messages and
//! keys are all public here, so variable-time arithmetic is right.

use k256::ecdsa::{RecoveryId, VerifyingKey};
use sha3::{Digest, Keccak256};

use super::personal_sign::Prehash;
use super::{Address, SignatureFault};

/// Length of `r || s || v` in bytes.
const LENGTH: usize = 65;

/// A signature in the one form that a wallet makes it: `r` and `s` in range,
/// `s` low, `v` 27 or 28.
///
/// Refusing the rest leaves one signature where ECDSA would leave four: the
/// high-s twin, and the `r + n` forms (recovery ids 2 and 3) that no honest
/// signer meets in practice.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signature {
    r_and_s: k256::ecdsa::Signature,
    recovery_id: RecoveryId,
}

impl Signature {
    /// Reads `0x` and 130 hexadecimal digits in either case: `r`, `s` (32 bytes each,
    /// big-endian), `v` (one byte).
    pub(super) fn parse(text: &str) -> Result<Self, SignatureFault> {
        let digits = text.strip_prefix("0x").ok_or(SignatureFault::Hex)?;
        let mut bytes = [0u8; LENGTH];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureFault::Hex)?;
        let [r_and_s @ .., v] = bytes;

        let recovery_id = match v {
            27 => RecoveryId::new(false, false),
            28 => RecoveryId::new(true, false),
            _ => return Err(SignatureFault::RecoveryId),
        };
        // `from_slice` refuses 0 and everything from the order upwards.
        let r_and_s =
            k256::ecdsa::Signature::from_slice(&r_and_s).map_err(|_| SignatureFault::OutOfRange)?;
        // Recovery itself would accept a high s.
        if r_and_s.normalize_s() != r_and_s {
            return Err(SignatureFault::HighS);
        }
        Ok(Self { r_and_s, recovery_id })
    }

    /// The address of the key that made this signature over `prehash`.
    pub(super) fn recover(&self, prehash: &Prehash) -> Result<Address, SignatureFault> {
        VerifyingKey::recover_from_prehash(prehash, &self.r_and_s, self.recovery_id)
            .map(|key| address_of(&key))
            .map_err(|_| SignatureFault::NoKey)
    }
}

/// The last 20 bytes of keccak-256 over the key's two coordinates.
pub(crate) fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_sec1_point(false);
    // The first byte, 0x04, tags an uncompressed point; the coordinates follow.
    let coordinates = point.as_bytes().get(1..).unwrap_or_default();
    let hash: [u8; 32] = Keccak256::digest(coordinates).into();
    let mut address = [0; Address::LEN];
    address.copy_from_slice(&hash[12..]);
    Address::from_bytes(address)
}
