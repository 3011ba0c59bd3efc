//! Scalars as few signed digits: the non-adjacent form of a given width (wNAF).

use super::split::Half;

/// One digit for each of 128 bits, and one for what the last of them carries.
pub(super) const LENGTH: usize = 129;

/// Zero, or odd and below 2^(width − 1) in magnitude.
pub(super) type Digit = i16;

pub(super) type Digits = [Digit; LENGTH];

/// The digits of `half`, the least first: `Σ digit[i]·2^i` is `half`, and of any
/// `width` in a row at most one is not zero.
///
/// `width` is between 2 and 14.
pub(super) fn digits(half: Half, width: u32) -> Digits {
    let Half { magnitude, negative } = half;
    let sign = if negative { -1 } else { 1 };
    let mut digits = [0; LENGTH];
    // Written so far: the bits below `position`, less a carry of 0 or 1 into it.
    let mut position = 0;
    let mut carry: Digit = 0;
    loop {
        // A bit that equals the carry makes a zero and passes the carry on.
        let differing = if carry == 0 { magnitude } else { !magnitude };
        let rest = differing.unbounded_shr(position);
        if rest == 0 {
            if let Some(last) = digits.last_mut() {
                *last = sign * carry;
            }
            return digits;
        }
        position += rest.trailing_zeros();

        // The next `width` bits and the carry are odd together; from half of the
        // range upwards the digit is negative, and carries.
        let window = magnitude.unbounded_shr(position) & ((1 << width) - 1);
        let odd = window as Digit + carry;
        carry = odd >> (width - 1);
        if let Some(digit) = digits.get_mut(position as usize) {
            *digit = sign * (odd - (carry << width));
        }
        position += width;
    }
}

#[cfg(test)]
mod tests {
    use k256::Scalar;

    use super::super::samples::Random;
    use super::*;

    fn magnitudes() -> Vec<u128> {
        let mut magnitudes = vec![0, u128::MAX];
        for bit in 0..128 {
            let power = 1 << bit;
            magnitudes.extend([power, power - 1, power + 1, !power, u128::MAX << bit]);
        }
        let mut random = Random::new(1);
        magnitudes.extend((0..500).map(|_| random.u128()));
        magnitudes
    }

    #[test]
    fn the_digits_sum_up_to_the_scalar() {
        for magnitude in magnitudes() {
            for width in 2..=14 {
                for negative in [false, true] {
                    let digits = digits(Half { magnitude, negative }, width);
                    let mut sum = Scalar::ZERO;
                    for digit in digits.into_iter().rev() {
                        let size = Scalar::from(u64::from(digit.unsigned_abs()));
                        sum = sum + sum + if digit < 0 { -size } else { size };
                    }
                    let size = Scalar::from(magnitude);
                    assert_eq!(sum, if negative { -size } else { size }, "{magnitude:x} {width}");
                }
            }
        }
    }

    #[test]
    fn of_width_digits_in_a_row_one_is_odd_and_small_and_the_rest_zero() {
        for magnitude in magnitudes() {
            for width in 2..=14 {
                let digits = digits(Half { magnitude, negative: false }, width);
                for some in digits.windows(width as usize) {
                    assert!(some.iter().filter(|digit| **digit != 0).count() <= 1);
                }
                for digit in digits.into_iter().filter(|digit| *digit != 0) {
                    assert!(digit % 2 != 0 && digit.unsigned_abs() < 1 << (width - 1));
                }
            }
        }
    }
}
