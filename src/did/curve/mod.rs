//! secp256k1: who made a signature. Nothing outside of this folder does arithmetic on it.
//!
//! ```text
//! recover   signature, hash            ─► the one key that it belongs to
//!           (libsecp256k1, the same in C, where that feature is on)
//! known     signature, hash, key table ─► whether that is the table's key
//!   sum     a·G + b·P on odd multiples that a table holds
//!   digits  the signed digits that choose the multiples
//!   split   a scalar as two of half its length
//! inverse   of a scalar, for both
//! ```
//!
//! Signatures, hashes and keys are all public here, so variable-time arithmetic is
//! right, and used wherever it is faster. Never hand a secret to this module.
//!
//! The arithmetic of points and scalars is k256's, whose formulas for points are
//! complete: they hold for the identity, equal and opposite points too. What is
//! done here is to choose which of its additions and doublings are made.

#[cfg(test)]
mod differential;
mod digits;
mod inverse;
mod known;
#[cfg(feature = "libsecp256k1")]
mod libsecp256k1;
#[cfg_attr(
    all(feature = "libsecp256k1", not(test)),
    expect(dead_code, reason = "only tests compare it with the library in C")
)]
mod recover;
#[cfg(test)]
mod samples;
mod split;
mod sum;

use k256::elliptic_curve::BatchNormalize;
use k256::elliptic_curve::group::CurveAffine;
use k256::elliptic_curve::ops::Reduce;
use k256::elliptic_curve::point::AffineCoordinates;
use k256::elliptic_curve::scalar::IsHigh;
use k256::{AffinePoint, FieldBytes, NonZeroScalar, ProjectivePoint, Scalar};

pub(super) use self::known::KeyTable;

/// What was signed: 32 bytes that a hash function made.
type Hash = [u8; 32];

/// A signature in the one form that a wallet makes it: `r` and `s` in range, `s` low,
/// and x-coordinate and parity of one point given by `r` and `v`.
///
/// Refusing the rest leaves one signature where ECDSA would leave four: the high-s
/// twin, and the `r + n` forms (recovery ids 2 and 3) that no honest signer meets in
/// practice.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Signature {
    r: NonZeroScalar,
    s: NonZeroScalar,
    /// `v`, the parity of the point's y-coordinate.
    y_is_odd: bool,
}

/// Why these numbers are not a [`Signature`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// One of them is zero, or not below the order of the curve.
    OutOfRange,
    /// `s` is in the upper half.
    HighS,
}

impl Signature {
    /// Of `r` and `s`, 32 bytes each, big-endian.
    pub(super) fn new(r_and_s: &[u8; 64], y_is_odd: bool) -> Result<Self, Unusable> {
        let (r, s) = r_and_s.split_at(32);
        let number = |bytes| NonZeroScalar::try_from(bytes).map_err(|_| Unusable::OutOfRange);
        let (r, s) = (number(r)?, number(s)?);
        if s.is_high().into() {
            return Err(Unusable::HighS);
        }
        Ok(Self { r, s, y_is_odd })
    }

    /// The key that made this signature, if there is one.
    pub(super) fn recover(&self, hash: &Hash) -> Option<PublicKey> {
        #[cfg(not(feature = "libsecp256k1"))]
        return recover::recover(self, hash);
        #[cfg(feature = "libsecp256k1")]
        return libsecp256k1::recover(self, hash);
    }
}

/// A public key: a point of the curve other than the identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey(AffinePoint);

impl PublicKey {
    fn new(point: AffinePoint) -> Option<Self> {
        (!bool::from(point.is_identity())).then_some(Self(point))
    }

    /// The two coordinates, 32 bytes each, big-endian.
    pub(crate) fn coordinates(&self) -> [FieldBytes; 2] {
        [self.0.x(), self.0.y()]
    }
}

/// The keys of wallets for tests.
#[cfg(feature = "testing")]
impl From<k256::ecdsa::VerifyingKey> for PublicKey {
    fn from(key: k256::ecdsa::VerifyingKey) -> Self {
        Self(*key.as_affine())
    }
}

/// The number that a hash represents, modulo the order.
fn scalar(hash: &Hash) -> Scalar {
    Scalar::reduce(&FieldBytes::from(*hash))
}

fn affine(point: &ProjectivePoint) -> AffinePoint {
    // `to_affine` inverts in constant time.
    let [point] = ProjectivePoint::batch_normalize_vartime(&[*point]);
    point
}
