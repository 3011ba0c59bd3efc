//! Scalars of half the length: the curve's endomorphism (GLV).

use k256::Scalar;
use k256::elliptic_curve::bigint::{U128, U256};
use k256::elliptic_curve::scalar::{FromUintUnchecked, IsHigh};

/// λ, a cube root of 1: multiplying a point by it takes one multiplication of its x
/// ([`endomorphism`](k256::ProjectivePoint::endomorphism)).
const LAMBDA: U256 =
    U256::from_be_hex("5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72");

// Of a short basis (a₁, b₁), (a₂, b₂) of the pairs with a + b·λ = 0 (mod n): −b₁ and b₂.
const MINUS_B1: u128 = 0xe443_7ed6_010e_8828_6f54_7fa9_0abf_e4c3;
const B2: u128 = 0x3086_d221_a7d4_6bcd_e86c_90e4_9284_eb15;

// Which multiples of the two lie closest to a scalar: b₂/n and −b₁/n, times 2³⁸⁴.
const G1: U256 =
    U256::from_be_hex("3086d221a7d46bcde86c90e49284eb153daa8a1471e8ca7fe893209a45dbb031");
const G2: U256 =
    U256::from_be_hex("e4437ed6010e88286f547fa90abfe4c4221208ac9df506c61571b4ae8ac47f71");

/// A scalar below 2¹²⁸ and its sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half {
    pub(super) magnitude: u128,
    pub(super) negative: bool,
}

/// `(a, b)` with `a + b·λ = k`, so that `k·P` is a sum over two short scalars.
///
/// k256 and libsecp256k1 make the same split inside, with the same constants; the
/// proof that both halves are below 2¹²⁸ is in the latter's `scalar_impl.h`.
pub(super) fn split(k: &Scalar) -> (Half, Half) {
    let c1 = Scalar::from(scaled(k, &G1));
    let c2 = Scalar::from(scaled(k, &G2));
    let b = c1 * Scalar::from(MINUS_B1) - c2 * Scalar::from(B2);
    let a = k - &(b * Scalar::from_uint_unchecked(LAMBDA));
    (Half::of(a), Half::of(b))
}

/// `k·factor / 2³⁸⁴`, rounded.
fn scaled(k: &Scalar, factor: &U256) -> u128 {
    let (_, high) = U256::from(k).widening_mul(factor);
    let (below, quotient) = high.split::<{ U128::LIMBS }>();
    let round_up = u128::from(below) >> 127;
    // Both factors are below 2²⁵⁶ − 2¹²⁸: there is room for one more.
    u128::from(quotient).wrapping_add(round_up)
}

impl Half {
    /// Of a scalar within 2¹²⁸ of zero.
    fn of(scalar: Scalar) -> Self {
        let negative = bool::from(scalar.is_high());
        let magnitude = if negative { -scalar } else { scalar };
        let (low, high) = U256::from(magnitude).split::<{ U128::LIMBS }>();
        debug_assert_eq!(high, U128::ZERO, "the halves of a split are short");
        Self { magnitude: low.into(), negative }
    }
}

#[cfg(test)]
mod tests {
    use k256::ProjectivePoint;

    use super::super::samples::{Random, scalars};
    use super::*;

    fn scalar(half: Half) -> Scalar {
        let size = Scalar::from(half.magnitude);
        if half.negative { -size } else { size }
    }

    #[test]
    fn the_halves_make_up_the_scalar() {
        let lambda = Scalar::from_uint_unchecked(LAMBDA);
        let mut random = Random::new(2);
        let random = (0..10_000).map(|_| random.scalar());
        for k in scalars().into_iter().chain(random) {
            // That they are short is asserted where they are made.
            let (a, b) = split(&k);
            assert_eq!(scalar(a) + scalar(b) * lambda, k);
        }
    }

    #[test]
    fn lambda_is_what_the_endomorphism_multiplies_by() {
        let lambda = Scalar::from_uint_unchecked(LAMBDA);
        for k in scalars() {
            let point = ProjectivePoint::GENERATOR * k;
            assert_eq!(point.endomorphism(), point * lambda);
        }
    }
}
