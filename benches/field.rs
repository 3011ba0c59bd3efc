//! Multiplications and squarings in the field of secp256k1: `k256`'s, which this crate's sums of
//! points are made of, beside those that fiat-crypto's authors generate with a proof.
//!
//! ```text
//! cargo bench -p tower-didt-benches --bench field
//! ```
//!
//! *In a row*: each needs the result of the one before it, as in an inversion. *Four at once*:
//! four such rows side by side, as in the sum of two points. What both ways compute is compared
//! before anything is timed. The last rows are k256's operations on points, which are made of
//! 11 products (an addition), or of 6 products and 2 squares (a doubling).

use fiat_crypto::secp256k1_dettman_64::{
    fiat_secp256k1_dettman_mul, fiat_secp256k1_dettman_square,
};
use fiat_crypto::secp256k1_montgomery_64::{
    fiat_secp256k1_montgomery_from_montgomery,
    fiat_secp256k1_montgomery_montgomery_domain_field_element as Montgomery,
    fiat_secp256k1_montgomery_mul,
    fiat_secp256k1_montgomery_non_montgomery_domain_field_element as Plain,
    fiat_secp256k1_montgomery_square, fiat_secp256k1_montgomery_to_montgomery,
};
use k256::elliptic_curve::hazmat::FieldArithmetic;
use k256::elliptic_curve::point::{AffineCoordinates, DecompressPoint};
use k256::{AffinePoint, ProjectivePoint, Scalar, Secp256k1};
use ruint::aliases::U256;
use tower_didt_benches::Rounds;

/// Five limbs of 52 bits too.
#[derive(Clone, Copy)]
struct InK256(<Secp256k1 as FieldArithmetic>::FieldElement);

/// Operations that are timed together: one takes less than the clock can see.
const TOGETHER: usize = 400;

/// The field's order, 2²⁵⁶ − 2³² − 977.
fn order() -> U256 {
    U256::MAX - U256::from(0x1_0000_03d0_u64)
}

trait Field: Copy {
    fn new(number: U256) -> Self;
    fn times(&self, other: &Self) -> Self;
    fn squared(&self) -> Self;
    fn number(&self) -> U256;
}

impl Field for InK256 {
    fn new(number: U256) -> Self {
        let bytes = number.to_be_bytes::<32>().into();
        let element = <Secp256k1 as FieldArithmetic>::FieldElement::from_bytes(&bytes);
        Self(element.expect("below the order"))
    }

    fn times(&self, other: &Self) -> Self {
        Self(self.0.mul(&other.0))
    }

    fn squared(&self) -> Self {
        Self(self.0.square())
    }

    fn number(&self) -> U256 {
        U256::from_be_bytes::<32>(self.0.normalize().to_bytes().into())
    }
}

/// Five limbs of 52 bits, as libsecp256k1 has them.
#[derive(Clone, Copy)]
struct Dettman([u64; 5]);

impl Field for Dettman {
    fn new(number: U256) -> Self {
        let mask = U256::from((1_u64 << 52) - 1);
        Self(std::array::from_fn(|limb| ((number >> (52 * limb)) & mask).to::<u64>()))
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = [0; 5];
        fiat_secp256k1_dettman_mul(&mut product, &self.0, &other.0);
        Self(product)
    }

    fn squared(&self) -> Self {
        let mut square = [0; 5];
        fiat_secp256k1_dettman_square(&mut square, &self.0);
        Self(square)
    }

    /// Limbs may overlap: each counts, modulo the order.
    fn number(&self) -> U256 {
        let limbs = self.0.iter().rev();
        limbs.fold(U256::ZERO, |sum, limb| {
            let shifted = sum.mul_mod(U256::from(1_u64 << 52), order());
            shifted.add_mod(U256::from(*limb), order())
        })
    }
}

impl Field for Montgomery {
    fn new(number: U256) -> Self {
        let mut element = Self([0; 4]);
        fiat_secp256k1_montgomery_to_montgomery(&mut element, &Plain(number.into_limbs()));
        element
    }

    fn times(&self, other: &Self) -> Self {
        let mut product = Self([0; 4]);
        fiat_secp256k1_montgomery_mul(&mut product, self, other);
        product
    }

    fn squared(&self) -> Self {
        let mut square = Self([0; 4]);
        fiat_secp256k1_montgomery_square(&mut square, self);
        square
    }

    fn number(&self) -> U256 {
        let mut plain = Plain([0; 4]);
        fiat_secp256k1_montgomery_from_montgomery(&mut plain, self);
        U256::from_limbs(plain.0)
    }
}

/// Different numbers below the order for each `seed`.
fn number(seed: u64) -> U256 {
    let odd = U256::from(seed) * U256::from(2) + U256::from(3);
    odd.pow_mod(U256::from(0x1_0000_0001_u64), order())
}

fn products<F: Field, const ROWS: usize>(factor: F, mut values: [F; ROWS]) -> [F; ROWS] {
    for _ in 0..TOGETHER / ROWS {
        values.iter_mut().for_each(|value| *value = value.times(&factor));
    }
    values
}

fn squares<F: Field, const ROWS: usize>(mut values: [F; ROWS]) -> [F; ROWS] {
    for _ in 0..TOGETHER / ROWS {
        values.iter_mut().for_each(|value| *value = value.squared());
    }
    values
}

fn inputs<F: Field, const ROWS: usize>() -> impl FnMut() -> (F, [F; ROWS]) {
    let mut seed = 0;
    move || {
        seed += 1;
        let row = |row| F::new(number(seed + 1000 * row as u64));
        (F::new(number(seed)), std::array::from_fn(|at| row(at + 1)))
    }
}

fn compare<F: Field>() {
    for seed in 0..200 {
        let (a, b) = (number(seed), number(seed + 1));
        let [in_k256, there] = [
            products::<_, 1>(InK256::new(a), [InK256::new(b)])[0].squared().number(),
            products::<_, 1>(F::new(a), [F::new(b)])[0].squared().number(),
        ];
        assert_eq!(in_k256, there, "a={a} b={b}");
    }
}

fn main() {
    compare::<Dettman>();
    compare::<Montgomery>();
    let mut rounds = Rounds::default();
    rounds.add("400 products in a row, k256", inputs::<InK256, 1>(), |(a, b)| products(a, b));
    rounds.add("  fiat-crypto, 5 × 52 bits", inputs::<Dettman, 1>(), |(a, b)| products(a, b));
    rounds.add("  fiat-crypto, Montgomery's form", inputs::<Montgomery, 1>(), |(a, b)| {
        products(a, b)
    });
    rounds.add("400 products, four at once, k256", inputs::<InK256, 4>(), |(a, b)| products(a, b));
    rounds.add("  fiat-crypto, 5 × 52 bits", inputs::<Dettman, 4>(), |(a, b)| products(a, b));
    rounds.add("  fiat-crypto, Montgomery's form", inputs::<Montgomery, 4>(), |(a, b)| {
        products(a, b)
    });
    rounds.add("400 squares in a row, k256", inputs::<InK256, 1>(), |(_, b)| squares(b));
    rounds.add("  fiat-crypto, 5 × 52 bits", inputs::<Dettman, 1>(), |(_, b)| squares(b));
    rounds.add("  fiat-crypto, Montgomery's form", inputs::<Montgomery, 1>(), |(_, b)| squares(b));
    rounds.add("400 squares, four at once, k256", inputs::<InK256, 4>(), |(_, b)| squares(b));
    rounds.add("  fiat-crypto, 5 × 52 bits", inputs::<Dettman, 4>(), |(_, b)| squares(b));
    rounds.add("  fiat-crypto, Montgomery's form", inputs::<Montgomery, 4>(), |(_, b)| squares(b));
    let generator = || (ProjectivePoint::GENERATOR * Scalar::from(5u64), AffinePoint::GENERATOR);
    rounds.add("400 additions of a point, k256", generator, |(sum, point)| {
        (0..TOGETHER).fold(sum, |sum, _| sum + point)
    });
    rounds.add("400 doublings of a point, k256", generator, |(sum, _)| {
        (0..TOGETHER).fold(sum, |sum, _| sum.double())
    });
    rounds.add(
        "a point by its x-coordinate, k256",
        || AffinePoint::GENERATOR.x(),
        |x| AffinePoint::decompress(&x, 1.into()),
    );
    rounds.run();
}
