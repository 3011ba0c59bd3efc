//! The inverse of a scalar.

use k256::elliptic_curve::ops::Invert;
use k256::{FieldBytes, NonZeroScalar, Scalar};
use ruint::aliases::U256;

/// The order of the curve, its four words from the lowest.
const ORDER: U256 = U256::from_limbs([
    0xbfd2_5e8c_d036_4141,
    0xbaae_dce6_af48_a03b,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
]);

/// `scalar⁻¹`.
///
/// ruint finds it in a fifth of the time that k256 takes (Lehmer's algorithm, which is
/// not for secrets). That it is the inverse is checked, so nothing depends on ruint but
/// the time.
pub(super) fn inverse(scalar: &NonZeroScalar) -> Scalar {
    sought(scalar)
        .filter(|inverse| *inverse * **scalar == Scalar::ONE)
        .unwrap_or_else(|| *scalar.invert_vartime())
}

fn sought(scalar: &NonZeroScalar) -> Option<Scalar> {
    let inverse = U256::from_be_bytes::<32>(scalar.to_bytes().into()).inv_mod(ORDER)?;
    let bytes = FieldBytes::from(inverse.to_be_bytes::<32>());
    NonZeroScalar::try_from(bytes.as_slice()).ok().map(|inverse| *inverse)
}

#[cfg(test)]
mod tests {
    use super::super::samples::{Random, scalars};
    use super::*;

    #[test]
    fn what_is_found_is_the_inverse_of_the_stock_call() {
        let mut random = Random::new(6);
        let random = (0..10_000).map(|_| random.scalar());
        for scalar in scalars().into_iter().chain(random) {
            if let Some(scalar) = Option::from(NonZeroScalar::new(scalar)) {
                assert_eq!(sought(&scalar), Some(*scalar.invert_vartime()), "{scalar:?}");
                assert_eq!(inverse(&scalar), *scalar.invert_vartime(), "{scalar:?}");
            }
        }
    }
}
