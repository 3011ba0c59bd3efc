//! A signature's text, and the address of who made it.

use sha3::{Digest, Keccak256};

use super::curve::{KeyTable, PublicKey, Unusable};
use super::personal_sign::Prehash;
use super::{Address, SignatureFault, curve};

/// Length of `r || s || v` in bytes.
const LENGTH: usize = 65;

/// A signature that is well formed. See [`curve::Signature`].
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signature(curve::Signature);

impl Signature {
    /// Reads `0x` and 130 hexadecimal digits in either case: `r`, `s` (32 bytes each,
    /// big-endian), `v` (one byte).
    pub(super) fn parse(text: &str) -> Result<Self, SignatureFault> {
        let digits = text.strip_prefix("0x").ok_or(SignatureFault::Hex)?;
        let mut bytes = [0u8; LENGTH];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| SignatureFault::Hex)?;
        let [r_and_s @ .., v] = bytes;

        let y_is_odd = match v {
            27 => false,
            28 => true,
            _ => return Err(SignatureFault::RecoveryId),
        };
        curve::Signature::new(&r_and_s, y_is_odd).map(Self).map_err(|unusable| match unusable {
            Unusable::OutOfRange => SignatureFault::OutOfRange,
            Unusable::HighS => SignatureFault::HighS,
        })
    }

    /// The key that made this signature over `prehash`.
    pub(super) fn recover(&self, prehash: &Prehash) -> Result<PublicKey, SignatureFault> {
        self.0.recover(prehash).ok_or(SignatureFault::NoKey)
    }

    /// Whether [`recover`](Self::recover) would return the key of this table.
    pub(super) fn is_by(&self, key: &KeyTable, prehash: &Prehash) -> bool {
        key.made(&self.0, prehash)
    }
}

/// The last 20 bytes of keccak-256 over the key's two coordinates.
pub(crate) fn address_of(key: &PublicKey) -> Address {
    let [x, y] = key.coordinates();
    let hash: [u8; 32] = Keccak256::new().chain_update(x).chain_update(y).finalize().into();
    let mut address = [0; Address::LEN];
    address.copy_from_slice(&hash[12..]);
    Address::from_bytes(address)
}
