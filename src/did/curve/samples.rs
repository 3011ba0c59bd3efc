//! Numbers for tests: those at which something changes, and random ones.

use k256::elliptic_curve::bigint::U256;
use k256::elliptic_curve::ops::Reduce;
use k256::{FieldBytes, Scalar};

/// Random numbers that are the same in every run (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn u128(&mut self) -> u128 {
        u128::from(self.u64()) << 64 | u128::from(self.u64())
    }

    pub(super) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.u64().to_be_bytes());
        }
        bytes
    }

    pub(super) fn scalar(&mut self) -> Scalar {
        Scalar::reduce(&FieldBytes::from(self.bytes()))
    }

    pub(super) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[(self.u64() % from.len() as u64) as usize]
    }
}

/// 32 bytes, big-endian, at and about every number where something changes: the order,
/// its half, the field's prime and its distance to the order, λ, the split's limits.
pub(super) fn edges() -> Vec<[u8; 32]> {
    const BASES: [&str; 13] = [
        "0000000000000000000000000000000000000000000000000000000000000001",
        // n, n / 2, p, p − n
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
        "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0",
        "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f",
        "000000000000000000000000000000014551231950b75fc4402da1722fc9baee",
        // λ, −λ
        "5363ad4cc05c30e0a5261c028812645a122e22ea20816678df02967c1b23bd72",
        "ac9c52b33fa3cf1f5ad9e3fd77ed9ba4a880b9fc8ec739c2e0cfc810b51283cf",
        // −b₁, b₂, 2¹²⁷, 2¹²⁸, 2³³, 2²⁵⁵
        "00000000000000000000000000000000e4437ed6010e88286f547fa90abfe4c3",
        "000000000000000000000000000000003086d221a7d46bcde86c90e49284eb15",
        "0000000000000000000000000000000080000000000000000000000000000000",
        "0000000000000000000000000000000100000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000200000000",
        "8000000000000000000000000000000000000000000000000000000000000000",
    ];
    let mut edges = vec![[0xff; 32]];
    for base in BASES {
        let base = U256::from_be_hex(base);
        for offset in 0u8..=2 {
            let offset = U256::from(offset);
            for edge in [base.wrapping_sub(&offset), base.wrapping_add(&offset)] {
                edges.push(edge.to_be_bytes().into());
            }
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

/// The [`edges`] as scalars.
pub(super) fn scalars() -> Vec<Scalar> {
    edges().into_iter().map(|bytes| Scalar::reduce(&FieldBytes::from(bytes))).collect()
}
