//! Recovery and the check against a known key, beside k256's own recovery and (with the
//! feature on) libsecp256k1's, over random numbers and those where something changes.
//!
//! Some thousands of signatures by default. For more, in release mode:
//!
//! ```text
//! TOWER_DIDT_DIFFERENTIAL=2000000 cargo test --release --features libsecp256k1 differential
//! ```

use k256::ecdsa::{RecoveryId, VerifyingKey};
use k256::elliptic_curve::scalar::IsHigh;
use k256::{ProjectivePoint, Scalar};

use super::samples::{Random, edges, scalars};
use super::{Hash, KeyTable, PublicKey, Signature, Unusable, recover};

/// Where no other number is asked for. The number is the seed too.
const SIGNATURES: u64 = 3_000;

struct Case {
    r_and_s: [u8; 64],
    hash: Hash,
    y_is_odd: bool,
}

/// Makes cases of every kind in turn.
struct Cases {
    random: Random,
    edges: Vec<[u8; 32]>,
    scalars: Vec<Scalar>,
}

impl Cases {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), edges: edges(), scalars: scalars() }
    }

    fn next(&mut self, kind: u64) -> Case {
        let y_is_odd = self.random.u64() % 2 == 1;
        let (r, s, hash) = match kind % 4 {
            // Three random numbers: half of all `r` are on the curve.
            0 => (self.random.bytes(), self.random.bytes(), self.random.bytes()),
            // Some of them at an edge.
            1 => (self.number(), self.number(), self.number()),
            _ => return self.related(kind, y_is_odd),
        };
        Case { r_and_s: join(r, s), hash, y_is_odd }
    }

    fn number(&mut self) -> [u8; 32] {
        match self.random.u64() % 2 {
            0 => self.random.bytes(),
            _ => self.random.pick(&self.edges),
        }
    }

    fn scalar(&mut self) -> Scalar {
        match self.random.u64() % 2 {
            0 => self.random.scalar(),
            _ => self.random.pick(&self.scalars),
        }
    }

    /// `R = k·G` with a `k` that is known, so that the hash can be chosen for the key,
    /// `r⁻¹·(s·k − z)·G`, to be what is wanted.
    fn related(&mut self, kind: u64, y_is_odd: bool) -> Case {
        let [k, s, wanted] = [self.scalar(), self.scalar(), self.scalar()];
        let s = if bool::from(s.is_high()) { -s } else { s };
        let point = (ProjectivePoint::GENERATOR * k).to_affine();
        let [x, _] = PublicKey(point).coordinates();
        let k = if PublicKey(point).odd() == y_is_odd { k } else { -k };
        let r = super::scalar(&x.into());
        let z = match kind / 4 % 8 {
            // The identity: there is no key.
            0 => s * k,
            // Both terms equal.
            1 => -(s * k),
            2 => s * k - r,
            3 => s * k + r,
            // The key is R, or −R.
            4 => s * k - r * k,
            5 => s * k + r * k,
            6 => Scalar::ZERO,
            _ => s * k - r * wanted,
        };
        Case { r_and_s: join(x.into(), s.to_bytes().into()), hash: z.to_bytes().into(), y_is_odd }
    }
}

impl PublicKey {
    fn odd(&self) -> bool {
        let [_, y] = self.coordinates();
        y[31] % 2 == 1
    }
}

fn join(r: [u8; 32], s: [u8; 32]) -> [u8; 64] {
    let mut joined = [0; 64];
    joined[..32].copy_from_slice(&r);
    joined[32..].copy_from_slice(&s);
    joined
}

/// The uncompressed key, or none, or that the numbers are not usable.
type Verdict = Result<Option<[u8; 65]>, Unusable>;

fn bytes(key: &PublicKey) -> [u8; 65] {
    let [x, y] = key.coordinates();
    let mut bytes = [4; 65];
    bytes[1..].copy_from_slice(&join(x.into(), y.into()));
    bytes
}

/// As this crate did it before it had arithmetic of its own.
fn stock(case: &Case) -> Verdict {
    let Ok(signature) = k256::ecdsa::Signature::from_slice(&case.r_and_s) else {
        return Err(Unusable::OutOfRange);
    };
    if signature.normalize_s() != signature {
        return Err(Unusable::HighS);
    }
    let recovery_id = RecoveryId::new(case.y_is_odd, false);
    let key = VerifyingKey::recover_from_prehash(&case.hash, &signature, recovery_id);
    Ok(key.ok().map(|key| key.to_sec1_point(false).as_bytes().try_into().unwrap()))
}

#[cfg(feature = "libsecp256k1")]
fn in_c(case: &Case) -> Verdict {
    use secp256k1::Message;
    use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};

    // The parser lets zeros through, which recovery refuses.
    let (r, s) = case.r_and_s.split_at(32);
    let (Ok(mut normal), false, false) =
        (Signature::from_compact(&case.r_and_s), r == [0; 32], s == [0; 32])
    else {
        return Err(Unusable::OutOfRange);
    };
    let signature = normal;
    normal.normalize_s();
    if normal != signature {
        return Err(Unusable::HighS);
    }
    let recovery_id = if case.y_is_odd { RecoveryId::One } else { RecoveryId::Zero };
    let signature = RecoverableSignature::from_compact(&case.r_and_s, recovery_id).unwrap();
    let key = signature.recover(Message::from_digest(case.hash));
    Ok(key.ok().map(|key| key.serialize_uncompressed()))
}

/// What became of a case, to be counted.
fn check(case: &Case, strangers: &[(PublicKey, KeyTable)]) -> Verdict {
    let Case { r_and_s, hash, y_is_odd } = case;
    let expected = stock(case);
    #[cfg(feature = "libsecp256k1")]
    assert_eq!(in_c(case), expected, "libsecp256k1 and k256");

    let signature = match Signature::new(r_and_s, *y_is_odd) {
        Ok(signature) => signature,
        Err(unusable) => {
            assert_eq!(Err(unusable), expected);
            return expected;
        }
    };
    let recovered = recover::recover(&signature, hash);
    assert_eq!(Ok(recovered.as_ref().map(bytes)), expected, "recovery");
    #[cfg(feature = "libsecp256k1")]
    assert_eq!(super::libsecp256k1::recover(&signature, hash), recovered);
    assert_eq!(signature.recover(hash), recovered);

    // A known key made the signature exactly if it is the one recovered.
    for (key, table) in strangers {
        assert_eq!(table.made(&signature, hash), Some(key) == recovered.as_ref());
    }
    if let Some(key) = recovered {
        let table = KeyTable::new(&key);
        assert!(table.made(&signature, hash));
        // The same x-coordinate with the other y: this is what `v` is for.
        let mirrored = Signature { y_is_odd: !y_is_odd, ..signature.clone() };
        assert_eq!(table.made(&mirrored, hash), mirrored.recover(hash) == Some(key.clone()));
        let mut other = *hash;
        other[31] ^= 1;
        assert_eq!(table.made(&signature, &other), signature.recover(&other) == Some(key));
    }
    expected
}

#[test]
fn differential() {
    let asked = std::env::var("TOWER_DIDT_DIFFERENTIAL").ok();
    let signatures = asked.map_or(SIGNATURES, |number| number.parse().expect("a number"));
    let strangers: Vec<_> = [Scalar::ONE, -Scalar::ONE, Scalar::from(3u64)]
        .into_iter()
        .map(|k| PublicKey((ProjectivePoint::GENERATOR * k).to_affine()))
        .map(|key| (key.clone(), KeyTable::new(&key)))
        .collect();
    let mut cases = Cases::new(signatures);
    let (mut keys, mut none, mut out_of_range, mut high) = (0u64, 0u64, 0u64, 0u64);
    for kind in 0..signatures {
        let case = cases.next(kind);
        match check(&case, &strangers) {
            Ok(Some(_)) => keys += 1,
            Ok(None) => none += 1,
            Err(Unusable::OutOfRange) => out_of_range += 1,
            Err(Unusable::HighS) => high += 1,
        }
    }
    println!("{keys} keys, {none} without one, {out_of_range} out of range, {high} high");
    for number in [keys, none, out_of_range, high] {
        assert!(number > signatures / 50, "the cases miss a kind of verdict");
    }
}
