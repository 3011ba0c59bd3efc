//! [`recover`](super::recover) in C: Bitcoin Core's library.

use k256::AffinePoint;
use k256::elliptic_curve::point::AffineCoordinates;
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};

use super::{Hash, PublicKey, Signature};

/// The one key that a signature over a hash belongs to.
pub(super) fn recover(signature: &Signature, hash: &Hash) -> Option<PublicKey> {
    let Signature { r, s, y_is_odd } = signature;
    let mut r_and_s = [0; 64];
    let (first, second) = r_and_s.split_at_mut(32);
    first.copy_from_slice(&r.to_bytes());
    second.copy_from_slice(&s.to_bytes());
    let recovery_id = if *y_is_odd { RecoveryId::One } else { RecoveryId::Zero };
    let signature = RecoverableSignature::from_compact(&r_and_s, recovery_id).ok()?;
    let key = signature.recover_ecdsa(Message::from_digest(*hash)).ok()?;
    // The first byte, 0x04, tags an uncompressed point.
    let [_, coordinates @ ..] = key.serialize_uncompressed();
    let (x, y) = coordinates.split_at(32);
    let point = AffinePoint::from_coordinates(x.try_into().ok()?, y.try_into().ok()?);
    point.into_option().and_then(PublicKey::new)
}
