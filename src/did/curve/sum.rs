//! Sums of multiples of points (Straus): one run of doublings, shared by all terms.

use std::iter;
use std::sync::{Arc, LazyLock};

use k256::elliptic_curve::BatchNormalize;
use k256::{AffinePoint, ProjectivePoint, Scalar};

use super::digits::{Digit, Digits, LENGTH, digits};
use super::split::split;

/// Of a point that is met once: more of them would take longer to make than they save.
const MULTIPLES_OF_ANY_POINT: usize = 8;

/// Of the generator, in each block: 90 KB, made once.
const MULTIPLES_OF_GENERATOR: usize = 256;

static GENERATOR: LazyLock<Table<MULTIPLES_OF_GENERATOR>> =
    LazyLock::new(|| Table::new(&AffinePoint::GENERATOR));

/// `a·G + b·P`.
pub(super) fn sum(a: &Scalar, b: &Scalar, point: &AffinePoint) -> ProjectivePoint {
    let multiples: Vec<_> = odd_multiples(point.into()).take(MULTIPLES_OF_ANY_POINT).collect();
    let turned: Vec<_> = multiples.iter().map(ProjectivePoint::endomorphism).collect();
    let [low, high] = digits_of::<MULTIPLES_OF_ANY_POINT>(b);
    let [first, second] = [(&low, &multiples), (&high, &turned)]
        .map(|(digits, multiples)| Term { digits, multiples: Multiples::Fresh(multiples) });

    let generator = digits_of::<MULTIPLES_OF_GENERATOR>(a);
    let mut terms = vec![first, second];
    terms.extend(GENERATOR.terms(&generator));
    add_up(&terms)
}

/// Odd multiples of a point `P` that will be met again, so that the next sum with it
/// needs [`BLOCK`] doublings in place of 129.
///
/// The 129 digits of half a scalar are cut into [`BLOCKS`] blocks. A block is a number
/// of its own that multiplies `2^(BLOCK·i)·P`, and all of them share their doublings.
/// In here are, for each block, the odd multiples of that point.
#[derive(Clone, Debug)]
pub(super) struct Table<const N: usize>(Arc<[[AffinePoint; N]]>);

const BLOCKS: usize = 4;
const BLOCK: usize = LENGTH.div_ceil(BLOCKS);

impl<const N: usize> Table<N> {
    /// Bytes of memory, shared clones counted once.
    pub(super) const SIZE: usize = BLOCKS * N * size_of::<AffinePoint>() + 2 * size_of::<usize>();

    pub(super) fn new(point: &AffinePoint) -> Self {
        let mut multiples = Vec::with_capacity(BLOCKS * N);
        let mut base = ProjectivePoint::from(point);
        for block in 0..BLOCKS {
            if block > 0 {
                (0..BLOCK).for_each(|_| base.double_in_place());
            }
            multiples.extend(odd_multiples(base).take(N));
        }
        // All at once: one inversion in the field for the whole table.
        let affine = ProjectivePoint::batch_normalize_vartime(multiples.as_slice());
        let (blocks, _) = affine.as_chunks();
        Self(blocks.into())
    }

    /// `a·G + b·P`.
    pub(super) fn sum(&self, a: &Scalar, b: &Scalar) -> ProjectivePoint {
        let generator = digits_of::<MULTIPLES_OF_GENERATOR>(a);
        let own = digits_of::<N>(b);
        let terms: Vec<_> = GENERATOR.terms(&generator).chain(self.terms(&own)).collect();
        add_up(&terms)
    }

    /// For each block of both halves' digits, the multiples that they choose from.
    fn terms<'a>(&'a self, halves: &'a [Digits; 2]) -> impl Iterator<Item = Term<'a>> {
        let kinds: [fn(&'a [AffinePoint]) -> _; 2] = [Multiples::Kept, Multiples::KeptToTurn];
        halves.iter().zip(kinds).flat_map(|(digits, kind)| {
            let blocks = digits.chunks(BLOCK).zip(&*self.0);
            blocks.map(move |(digits, multiples)| Term { digits, multiples: kind(multiples) })
        })
    }
}

/// `k·P`, still to be computed.
struct Term<'a> {
    /// The digits of `k`.
    digits: &'a [Digit],
    /// What they choose from: `P, 3·P, 5·P …`, one for each odd magnitude of a digit.
    multiples: Multiples<'a>,
}

enum Multiples<'a> {
    Fresh(&'a [ProjectivePoint]),
    Kept(&'a [AffinePoint]),
    /// To be multiplied by λ. Kept that way they would take twice the memory.
    KeptToTurn(&'a [AffinePoint]),
}

impl Term<'_> {
    /// The multiple that a non-zero digit at a position represents.
    fn add_to(&self, sum: &mut ProjectivePoint, position: usize) {
        let digit = self.digits.get(position).copied().unwrap_or_default();
        let index = usize::from(digit.unsigned_abs() / 2);
        match (&self.multiples, digit > 0) {
            (Multiples::Fresh(points), true) => points.get(index).map(|point| *sum += point),
            (Multiples::Fresh(points), false) => points.get(index).map(|point| *sum -= point),
            (Multiples::Kept(points), true) => points.get(index).map(|point| *sum += point),
            (Multiples::Kept(points), false) => points.get(index).map(|point| *sum -= point),
            (Multiples::KeptToTurn(points), positive) => points.get(index).map(|point| {
                let turned = ProjectivePoint::from(point).endomorphism();
                if positive { *sum += turned } else { *sum -= turned }
            }),
        };
    }
}

fn add_up(terms: &[Term<'_>]) -> ProjectivePoint {
    // For each position, a bit for each term whose digit there is not zero. Asking the
    // terms one by one below would be a branch for each, mispredicted at every such
    // digit; here there is none.
    let mut active = [0u32; LENGTH];
    for (index, term) in terms.iter().enumerate() {
        for (active, digit) in active.iter_mut().zip(term.digits) {
            *active |= u32::from(*digit != 0) << index;
        }
    }
    let mut sum = ProjectivePoint::IDENTITY;
    let from_the_top = active.into_iter().enumerate().rev();
    for (position, mut active) in from_the_top.skip_while(|(_, active)| *active == 0) {
        while active != 0 {
            if let Some(term) = terms.get(active.trailing_zeros() as usize) {
                term.add_to(&mut sum, position);
            }
            active &= active - 1;
        }
        if position > 0 {
            sum.double_in_place();
        }
    }
    sum
}

/// `P, 3·P, 5·P …`
fn odd_multiples(point: ProjectivePoint) -> impl Iterator<Item = ProjectivePoint> {
    let double = point.double();
    let mut multiple = point;
    iter::once(point).chain(iter::repeat_with(move || {
        multiple += &double;
        multiple
    }))
}

/// The digits of both halves of a scalar, for tables of `N` odd multiples: 1 to 2N − 1.
fn digits_of<const N: usize>(k: &Scalar) -> [Digits; 2] {
    const { assert!(N.is_power_of_two()) };
    let width = N.ilog2() + 2;
    let (a, b) = split(k);
    [digits(a, width), digits(b, width)]
}

#[cfg(test)]
mod tests {
    use k256::elliptic_curve::ops::MulByGeneratorVartime;

    use super::super::samples::{Random, scalars};
    use super::*;

    /// Points that the tables for the generator hold too, so that equal and opposite
    /// points meet in the sum; and others.
    fn points() -> Vec<AffinePoint> {
        let mut random = Random::new(3);
        let mut factors = scalars();
        factors.extend([Scalar::from(2u64).invert().unwrap(), random.scalar(), random.scalar()]);
        factors.extend([BLOCK, 2 * BLOCK, 3 * BLOCK].map(|bits| Scalar::from(1u128 << bits)));
        factors.iter().map(|k| (ProjectivePoint::GENERATOR * k).to_affine()).collect()
    }

    #[test]
    fn sums_are_those_of_the_stock_call() {
        let mut random = Random::new(4);
        let mut factors = scalars();
        factors.extend((0..8).map(|_| random.scalar()));
        for point in points() {
            let table = Table::<8>::new(&point);
            for a in &factors {
                // All with all would take minutes.
                for b in [*a, -a, random.pick(&factors), random.pick(&factors)] {
                    let expected =
                        ProjectivePoint::mul_by_generator_and_mul_add_vartime(a, &b, &point.into());
                    assert_eq!(sum(a, &b, &point), expected, "{a:?} {b:?} {point:?}");
                    assert_eq!(table.sum(a, &b), expected, "{a:?} {b:?} {point:?}");
                }
            }
        }
    }

    #[test]
    fn opposite_terms_cancel_and_equal_terms_double() {
        let mut random = Random::new(5);
        for _ in 0..50 {
            let [a, k] = [random.scalar(), random.scalar()];
            let point = ProjectivePoint::GENERATOR * k;
            let same = a * k.invert().unwrap();
            let table = Table::<8>::new(&point.to_affine());
            let twice = ProjectivePoint::GENERATOR * (a + a);
            assert_eq!(table.sum(&a, &-same), ProjectivePoint::IDENTITY);
            assert_eq!(table.sum(&a, &same), twice);
            assert_eq!(sum(&a, &-same, &point.to_affine()), ProjectivePoint::IDENTITY);
            assert_eq!(sum(&a, &same, &point.to_affine()), twice);
        }
    }

    #[test]
    fn a_table_holds_the_odd_multiples_of_each_block() {
        for point in points() {
            let mut base = ProjectivePoint::from(point);
            for multiples in &*Table::<8>::new(&point).0 {
                for (odd, multiple) in (1u64..).step_by(2).zip(multiples) {
                    assert_eq!(base * Scalar::from(odd), *multiple);
                }
                base *= Scalar::from(1u64 << BLOCK);
            }
        }
    }

    #[test]
    fn the_blocks_cover_every_digit_and_the_terms_fit_their_bits() {
        let digits = [[1; LENGTH], [1; LENGTH]];
        let terms: Vec<_> = GENERATOR.terms(&digits).collect();
        assert_eq!(terms.len(), 2 * BLOCKS);
        assert_eq!(terms.iter().map(|term| term.digits.len()).sum::<usize>(), 2 * LENGTH);
        assert!(2 * terms.len() <= u32::BITS as usize);
    }
}
