//! What a token costs, beside what libsecp256k1 takes for the bare recovery of a signer.
//!
//! ```text
//! cargo bench -p tower-didt-benches                           # k256
//! cargo bench -p tower-didt-benches --features libsecp256k1
//! ```

use k256::ecdsa::VerifyingKey;
use k256::elliptic_curve::ops::Reduce;
use k256::{FieldBytes, Scalar};
use ruint::aliases::U256;
use secp256k1::Message;
use secp256k1::ecdsa::{RecoverableSignature, RecoveryId, Signature};
use sha3::{Digest, Keccak256};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::token::{DidToken, IssuerKey};
use tower_didt::{DidAuth, NoSessions, Timestamp, Verifier};
use tower_didt_benches::calls::{Bare, bearer, pass};
use tower_didt_benches::{AUDIENCE, Rounds};
use tower_layer::Layer;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// So many issuers take turns: no figure is that of one lucky signature, or of a
/// processor that learned its branches.
const VARIETY: usize = 64;

struct Sample {
    token: String,
    decoded: DidToken,
    bare_key: IssuerKey,
    key: IssuerKey,
    key_in_c: secp256k1::PublicKey,
    claim: String,
    hash: [u8; 32],
    signature: [u8; 65],
    address: [u8; 20],
}

impl Sample {
    fn new(seed: usize) -> Self {
        let wallet = Wallet::from_seed(seed.to_string());
        let claim = wallet.token(AUDIENCE).issued_at(NOW).claim();
        let message = format!("\x19Ethereum Signed Message:\n{}{claim}", claim.len());
        let hash = Keccak256::digest(message).into();
        let digits = wallet.personal_sign(&claim);
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal");
        let signature = std::array::from_fn(|index| byte(2 + 2 * index));
        let token = wallet.token_from_claim(&claim);
        let decoded = DidToken::decode(&token).expect("a token");
        let (_, bare_key) = decoded.clone().into_signed_and_key().expect("a good token");
        Self {
            key: bare_key.clone().prepared(),
            key_in_c: recover_in_c(&hash, &signature),
            address: *wallet.issuer().address().as_bytes(),
            token,
            decoded,
            bare_key,
            claim,
            hash,
            signature,
        }
    }
}

fn main() {
    let samples: Vec<_> = (0..VARIETY).map(Sample::new).collect();
    let each = || {
        let mut samples = samples.iter().cycle();
        move || samples.next().expect("endless")
    };
    let each_decoded = || {
        let mut next = each();
        move || {
            let sample = next();
            (sample.decoded.clone(), sample)
        }
    };
    let verifier = Verifier::new(AUDIENCE);
    let order = U256::from_be_bytes::<32>((-Scalar::ONE).to_bytes().into()) + U256::ONE;
    let mut rounds = Rounds::default();

    rounds.add("libsecp256k1: recover an address", each(), |sample| {
        let key = recover_in_c(&sample.hash, &sample.signature);
        assert_eq!(address(&key.serialize_uncompressed()), sample.address);
    });
    rounds.add("libsecp256k1: verify by key, v ignored", each(), |sample| {
        let signature = Signature::from_compact(&sample.signature[..64]).expect("well formed");
        signature.verify(Message::from_digest(sample.hash), &sample.key_in_c).expect("good");
    });
    rounds.add("libsecp256k1: the point by key, v held against it", each(), |sample| {
        assert_eq!(point_in_c(sample), sample.signature[..32]);
    });
    rounds.add("k256's own call: recover an address", each(), |sample| {
        assert_eq!(address(&recover_in_k256(&sample.hash, &sample.signature)), sample.address);
    });

    rounds.add("decoded token, issuer new", each_decoded(), |(token, _)| {
        token.into_signed().expect("good")
    });
    rounds.add("decoded token, issuer known", each_decoded(), |(token, sample)| {
        token.into_signed_with(&sample.key).expect("good")
    });
    rounds.add("prepare an issuer's key", each(), |sample| sample.bare_key.clone().prepared());
    rounds.add("invert a scalar: k256's own call", each(), |sample| {
        number(&sample.signature[..32]).invert_vartime().expect("not zero")
    });
    rounds.add("invert a scalar: ruint", each(), |sample| {
        let scalar: [u8; 32] = sample.signature[..32].try_into().expect("32 bytes");
        U256::from_be_bytes(scalar).inv_mod(order).expect("not zero")
    });
    rounds
        .add("decode a token", each(), |sample| DidToken::decode(&sample.token).expect("a token"));
    rounds.add("two keccak-256, of the claim and of a key", each(), |sample| {
        (Keccak256::digest(&sample.claim), Keccak256::digest(&sample.signature[..64]))
    });

    rounds.add("token's text to verified claim, issuer new", each(), |sample| {
        verifier.verify(&sample.token, NOW).expect("good")
    });
    rounds.add("token's text to verified claim, issuer known", each(), |sample| {
        let token = verifier.decode(&sample.token).expect("a token");
        verifier.check_statement(token.claim(), NOW).expect("good");
        let signed = token.into_signed_with(&sample.key).expect("good");
        verifier.check(&signed, NOW).expect("good")
    });
    let auth =
        DidAuth::new(verifier.clone()).with_store(NoSessions).with_clock(FixedClock::at(NOW));
    let mut service = auth.layer().layer(Bare);
    let mut next = each();
    let request = move || bearer(&next().token);
    rounds.add("request to the layer, token seen before", request, move |request| {
        pass(&mut service, request);
    });

    rounds.run();
}

fn recover_in_c(hash: &[u8; 32], signature: &[u8; 65]) -> secp256k1::PublicKey {
    let id = RecoveryId::from_u8_masked(signature[64] - 27);
    let signature = RecoverableSignature::from_compact(&signature[..64], id);
    signature.expect("well formed").recover(Message::from_digest(*hash)).expect("a key")
}

/// `R = s⁻¹·(z·G + r·Q)` by what the crate `secp256k1` makes public, and its x-coordinate if
/// its parity is that of `v`: whether recovery gives the key `Q`, without a recovery.
fn point_in_c(sample: &Sample) -> [u8; 32] {
    let (r, s) = sample.signature[..64].split_at(32);
    let inverse = number(s).invert_vartime().expect("not zero");
    let in_c = |scalar: Scalar| {
        secp256k1::Scalar::from_be_bytes((scalar * inverse).to_bytes().into()).expect("in range")
    };
    let point = sample.key_in_c.mul_tweak(&in_c(number(r))).expect("a point");
    let point = point.add_exp_tweak(&in_c(number(&sample.hash))).expect("a point");
    let [parity, x @ ..] = point.serialize();
    assert_eq!(parity - 2, sample.signature[64] - 27);
    x
}

fn number(bytes: &[u8]) -> Scalar {
    Scalar::reduce(&FieldBytes::try_from(bytes).expect("32 bytes"))
}

fn recover_in_k256(hash: &[u8; 32], signature: &[u8; 65]) -> [u8; 65] {
    let id = k256::ecdsa::RecoveryId::new(signature[64] == 28, false);
    let signature = k256::ecdsa::Signature::from_slice(&signature[..64]).expect("well formed");
    let key = VerifyingKey::recover_from_prehash(hash, &signature, id).expect("a key");
    key.to_sec1_point(false).as_bytes().try_into().expect("uncompressed")
}

fn address(key: &[u8; 65]) -> [u8; 20] {
    let hash: [u8; 32] = Keccak256::digest(&key[1..]).into();
    *hash.last_chunk().expect("longer")
}
