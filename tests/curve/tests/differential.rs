//! The crate's signature check against libsecp256k1 (in C) and against Wycheproof's vectors.
//!
//! What is tested is the crate's own parsing and recovery, over any digest, which its public API does
//! not allow: `tests/curve/run` compiles it with `--cfg tower_didt_internals`.
#![cfg(tower_didt_internals)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]

use k256::ecdsa::VerifyingKey;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{Message, PublicKey};
use sha2::{Digest, Sha256};
use sha3::Keccak256;
use tower_didt::TokenError;
use tower_didt::internals;
use tower_didt::testing::Wallet;
use tower_didt::token::{DidToken, SignatureFault};

/// The order of the curve and half of it, as in SEC 2 and BIP 62.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const HALF: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";

fn constant(hex: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice(hex, &mut bytes).expect("a constant");
    bytes
}

/// What libsecp256k1 says, with the rules of form that a wallet's signature obeys.
fn reference(signature: &[u8; 65], digest: &[u8; 32]) -> Option<[u8; 20]> {
    let (r_and_s, v) = signature.split_at(64);
    let s: [u8; 32] = r_and_s[32..].try_into().expect("32 bytes");
    if s > constant(HALF) {
        return None;
    }
    let id = RecoveryId::try_from(i32::from(v[0]) - 27).ok().filter(|_| v[0] < 29)?;
    let signature = RecoverableSignature::from_compact(r_and_s, id).ok()?;
    let key = signature.recover_ecdsa(Message::from_digest(*digest)).ok()?;
    Some(address_of(&key))
}

fn address_of(key: &PublicKey) -> [u8; 20] {
    let hash = Keccak256::digest(&key.serialize_uncompressed()[1..]);
    hash[12..].try_into().expect("20 bytes")
}

/// Random bytes that are the same in each run.
struct Random(u64);

impl Random {
    fn block(&mut self) -> [u8; 32] {
        self.0 += 1;
        Keccak256::digest(self.0.to_be_bytes()).into()
    }

    fn below(&mut self, n: usize) -> usize {
        usize::from(self.block()[0]) % n
    }
}

/// A number at an edge of what is allowed, or one bit away from it, or any.
fn edge(random: &mut Random) -> [u8; 32] {
    let mut one = [0; 32];
    one[31] = 1;
    let edges = [
        [0; 32],
        one,
        [0xff; 32],
        constant(ORDER),
        constant(HALF),
        // x of the generator; the field's prime; p - n, the largest r that has an r + n.
        constant("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
        constant("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f"),
        constant("000000000000000000000000000000014551231950b75fc4402da1722fc9baee"),
    ];
    match random.below(3) {
        0 => random.block(),
        1 => edges[random.below(edges.len())],
        _ => {
            let mut number = edges[random.below(edges.len())];
            // One more or one less, without a carry: every edge has room for it or wraps to
            // another edge.
            number[31] = if random.below(2) == 0 {
                number[31].wrapping_add(1)
            } else {
                number[31].wrapping_sub(1)
            };
            number
        }
    }
}

fn check(signature: &[u8; 65], digest: &[u8; 32]) -> bool {
    let text = format!("0x{}", hex::encode(signature));
    let ours = internals::recover(&text, digest).ok().map(|address| *address.as_bytes());
    assert_eq!(ours, reference(signature, digest), "{text} over {}", hex::encode(digest));
    ours.is_some()
}

fn rounds() -> usize {
    std::env::var("DIFFERENTIAL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000)
}

#[test]
fn any_signature_gets_the_verdict_of_libsecp256k1() {
    let mut random = Random(0);
    let (mut recovered, mut refused) = (0, 0);
    for round in 0..rounds() {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&edge(&mut random));
        signature[32..64].copy_from_slice(&edge(&mut random));
        signature[64] = match random.below(8) {
            0 => random.block()[0],
            n if n % 2 == 0 => 27,
            _ => 28,
        };
        let digest = match round % 3 {
            0 => edge(&mut random),
            _ => random.block(),
        };
        *if check(&signature, &digest) { &mut recovered } else { &mut refused } += 1;
    }
    println!("{recovered} recovered, {refused} refused");
    assert!(recovered > 0 && refused > 0);
}

#[test]
fn signatures_of_libsecp256k1_and_their_variants() {
    let mut random = Random(1 << 32);
    for _ in 0..rounds() / 10 {
        let Ok(key) = secp256k1::SecretKey::from_secret_bytes(random.block()) else { continue };
        let digest = random.block();
        let made = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest), &key);
        let (id, r_and_s) = made.serialize_compact();
        let mut signature = [0; 65];
        signature[..64].copy_from_slice(&r_and_s);
        signature[64] = 27 + id.to_u8();
        let address = address_of(&PublicKey::from_secret_key(&key));
        let text = format!("0x{}", hex::encode(signature));
        let ours = internals::recover(&text, &digest).expect("a wallet's signature");
        assert_eq!(*ours.as_bytes(), address);
        // The other v, and one bit flipped anywhere.
        let mut other = signature;
        other[64] = 55 - other[64];
        check(&other, &digest);
        let mut bent = signature;
        bent[random.below(65)] ^= 1 << random.below(8);
        check(&bent, &digest);
    }
}

/// The same through the front door: a token whose proof is any signature names the same signer.
#[test]
fn tokens_with_any_proof_name_the_signer_that_libsecp256k1_names() {
    let wallet = Wallet::from_seed("alice");
    let claim = wallet.token("app").claim();
    let message = format!("\x19Ethereum Signed Message:\n{}{claim}", claim.len());
    let digest: [u8; 32] = Keccak256::digest(message).into();
    let mut random = Random(2 << 32);
    for _ in 0..rounds() / 10 {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(&edge(&mut random));
        signature[32..64].copy_from_slice(&edge(&mut random));
        signature[64] = 27 + (random.block()[0] & 1);
        let quoted = claim.replace('\\', "\\\\").replace('"', "\\\"");
        let envelope = format!("[\"0x{}\",\"{quoted}\"]", hex::encode(signature));
        let verdict = DidToken::decode(base64(envelope.as_bytes())).and_then(DidToken::into_signed);
        let named = match verdict {
            Err(TokenError::IncorrectSigner { recovered, .. }) => Some(*recovered.as_bytes()),
            Err(TokenError::FailedRecovery { .. }) => None,
            other => panic!("{other:?}"),
        };
        assert_eq!(named, reference(&signature, &digest));
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        (0..=group.len())
            .map(move |n| char::from(DIGITS[(bits >> (18 - 6 * n)) as usize & 63]))
            .collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Wycheproof: what a correct verifier accepts, one of our two recovery ids names the key for, and
/// what it must refuse, none does.
#[test]
fn wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::ecdsa::{TestName, TestSet};
    let (mut accepted, mut refused, mut high) = (0, 0, 0);
    for name in [TestName::EcdsaSecp256k1Sha256P1363, TestName::EcdsaSecp256k1Sha256] {
        let p1363 = matches!(name, TestName::EcdsaSecp256k1Sha256P1363);
        for group in TestSet::load(name).expect("vectors").test_groups {
            let key = PublicKey::from_slice(&group.key.key).expect("a key");
            let address = address_of(&key);
            let theirs = VerifyingKey::from_sec1_bytes(&group.key.key).expect("a key");
            let point = theirs.to_sec1_point(false);
            let hash = Keccak256::digest(&point.as_bytes()[1..]);
            assert_eq!(hash[12..], address);
            for test in group.tests {
                let digest: [u8; 32] = Sha256::digest(&test.msg).into();
                let r_and_s = if p1363 {
                    <[u8; 64]>::try_from(test.sig.as_slice()).ok()
                } else {
                    let strict = secp256k1::ecdsa::Signature::from_der(&test.sig);
                    strict.ok().map(|signature| signature.serialize_compact())
                };
                // Another length is refused as no 130 digits.
                let Some(r_and_s) = r_and_s else {
                    let text = format!("0x{}1b", hex::encode(&test.sig));
                    assert!(internals::recover(&text, &digest).is_err(), "test {}", test.tc_id);
                    refused += 1;
                    continue;
                };
                let verdicts = [27, 28].map(|v| {
                    let text = format!("0x{}{v:02x}", hex::encode(r_and_s));
                    internals::recover(&text, &digest)
                });
                let named = verdicts
                    .iter()
                    .any(|v| v.as_ref().is_ok_and(|found| *found.as_bytes() == address));
                let is_high = verdicts.contains(&Err(SignatureFault::HighS));
                match test.result {
                    TestResult::Valid | TestResult::Acceptable if is_high => high += 1,
                    TestResult::Valid if !named => {
                        // r + n below the field's prime: recovery ids 2 and 3, which no wallet
                        // makes and we refuse.
                        let small: [u8; 32] = r_and_s[..32].try_into().expect("32 bytes");
                        assert!(small[..16] == [0; 16], "test {}: {}", test.tc_id, test.comment);
                        refused += 1;
                    }
                    TestResult::Valid | TestResult::Acceptable => accepted += 1,
                    TestResult::Invalid => {
                        assert!(!named, "test {}: {}", test.tc_id, test.comment);
                        refused += 1;
                    }
                }
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {high} refused for their high s");
    assert!(accepted > 100 && refused > 100 && high > 10);
}
