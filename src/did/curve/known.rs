//! Whether a signature over a hash was made by a key that is known already.

use k256::AffinePoint;
use k256::elliptic_curve::group::CurveAffine;
use k256::elliptic_curve::point::AffineCoordinates;

use super::inverse::inverse;
use super::sum::Table;
use super::{Hash, PublicKey, Signature, affine, scalar};

/// Odd multiples in each block of a key's table, 3 KB in all. Of twice as many, or with
/// twice the blocks, the sums were no faster: what the additions save, the processor's
/// caches lose.
const MULTIPLES: usize = 8;

/// A public key, with what makes checking its signatures quick.
#[derive(Clone, Debug)]
pub(in crate::did) struct KeyTable(Table<MULTIPLES>);

impl KeyTable {
    /// Bytes of memory that it refers to, shared clones counted once.
    pub(in crate::did) const SIZE: usize = Table::<MULTIPLES>::SIZE;

    pub(in crate::did) fn new(key: &PublicKey) -> Self {
        Self(Table::new(&key.0))
    }

    /// Whether recovery from `signature` yields exactly this key.
    ///
    /// Recovery gives `Q = r⁻¹·(s·R − z·G)`, where `R` is the point with the integer `r`
    /// as x-coordinate and the parity of `v`. With `r` and `s` not zero that says the
    /// same as `R = s⁻¹·(z·G + r·Q)`, which is computed here and held against both
    /// coordinates that the signature gives. (What libraries call verification holds x
    /// against `r` modulo n, and ignores `v`: that would be another question.)
    pub(in crate::did) fn made(&self, signature: &Signature, hash: &Hash) -> bool {
        let Signature { r, s, y_is_odd } = signature;
        let inverse = inverse(s);
        let point: AffinePoint = affine(&self.0.sum(&(scalar(hash) * inverse), &(**r * inverse)));
        !bool::from(point.is_identity())
            && point.x() == r.to_bytes()
            && bool::from(point.y_is_odd()) == *y_is_odd
    }
}
