//! The one key that a signature over a hash belongs to.

use k256::AffinePoint;
use k256::elliptic_curve::point::DecompressPoint;

use super::inverse::inverse;
use super::sum::sum;
use super::{Hash, PublicKey, Signature, affine, scalar};

/// `Q = r⁻¹·(s·R − z·G)`, where `R` has the x-coordinate `r` and the parity of `v`.
///
/// None if no point has that x-coordinate, or if `Q` would be the identity.
pub(super) fn recover(signature: &Signature, hash: &Hash) -> Option<PublicKey> {
    let Signature { r, s, y_is_odd } = signature;
    let point = AffinePoint::decompress(&r.to_bytes(), u8::from(*y_is_odd).into()).into_option()?;
    let inverse = inverse(r);
    PublicKey::new(affine(&sum(&-(scalar(hash) * inverse), &(**s * inverse), &point)))
}
