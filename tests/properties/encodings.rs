//! A token may be written in many ways. All of them are one token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tower_didt::testing::Wallet;
use tower_didt::token::{DidToken, Malformed, SignatureFault};
use tower_didt::{TokenError, Verifier};

use crate::support::{AUDIENCE, Choices, Parts, START, config};

fn verifier() -> Verifier {
    // Escaping every character makes a token up to eight times as long.
    Verifier::new(AUDIENCE).with_max_token_len(64 * 1024)
}

proptest! {
    #![proptest_config(config(256))]

    /// Both alphabets, padded or not, any escapes, blanks, the proof in any case: the same
    /// claim, the same issuer, the same mark of use.
    #[test]
    fn every_writing_of_a_token_is_that_token(
        seed in 0u8..4,
        tid in any::<String>(),
        mut choices in Choices::any(),
    ) {
        let wallet = Wallet::from_seed([seed]);
        let claim = wallet.token(AUDIENCE).issued_at(START).set("tid", &tid).claim();
        let parts = Parts::of_claim(&wallet, claim);
        let plain = verifier().verify(parts.token(), START).expect("a good token");
        let written = parts.written(&mut choices);
        let again = verifier().verify(&written, START).expect("the same token");
        prop_assert_eq!(&again, &plain);
        prop_assert_eq!(again.signed().digest(), plain.signed().digest());
        prop_assert_eq!(again.claim().tid(), tid);
    }

    /// The claim is hashed as it was received: another writing of it is another claim.
    #[test]
    fn another_writing_of_the_claim_itself_is_not_signed(mut choices in Choices::any()) {
        let wallet = Wallet::from_seed("alice");
        let parts = Parts::new(&wallet);
        let fields: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&parts.claim).expect("an object");
        let mut claim = "{".to_owned();
        for (at, (key, value)) in fields.iter().enumerate() {
            if at > 0 {
                claim.push(',');
            }
            choices.blanks(&mut claim);
            choices.string(key, &mut claim);
            claim.push(':');
            match value.as_str() {
                Some(text) => choices.string(text, &mut claim),
                None => claim.push_str(&value.to_string()),
            }
        }
        claim.push('}');
        prop_assume!(claim != parts.claim);
        let rewritten = Parts { proof: parts.proof.clone(), claim: claim.clone() };
        prop_assert!(verifier().verify(rewritten.token(), START).is_err());
        // Signed anew it is the same statement under another mark.
        let signed = Parts::of_claim(&wallet, claim);
        let (one, other) = (
            verifier().verify(parts.token(), START).expect("a good token"),
            verifier().verify(signed.token(), START).expect("a good token"),
        );
        prop_assert_eq!(one.claim(), other.claim());
        prop_assert_ne!(one.signed().digest(), other.signed().digest());
    }

    /// Flipping any bit of the signed text: never again this issuer's word.
    #[test]
    fn a_claim_with_any_bit_flipped_is_never_this_issuers(at in any::<prop::sample::Index>()) {
        let wallet = Wallet::from_seed("alice");
        let parts = Parts::new(&wallet);
        let mut claim = parts.claim.clone().into_bytes();
        let bit = at.index(claim.len() * 8);
        claim[bit / 8] ^= 1 << (bit % 8);
        // Not valid JSON text: nothing to put into the array other than the raw bytes.
        let mut json = format!("[\"{}\",", parts.proof).into_bytes();
        match String::from_utf8(claim) {
            Ok(claim) => json.extend(serde_json::to_vec(&claim).expect("a string")),
            Err(bytes) => {
                json.push(b'"');
                json.extend(bytes.into_bytes().into_iter().flat_map(|b| match b {
                    b'"' | b'\\' => vec![b'\\', b],
                    _ => vec![b],
                }));
                json.push(b'"');
            }
        }
        json.push(b']');
        let token = STANDARD.encode(json);
        let verdict = DidToken::decode(&token).and_then(DidToken::into_signed);
        prop_assert!(verdict.is_err(), "accepted as {:?}", verdict);
        prop_assert!(verifier().verify(&token, START).is_err());
    }

    /// Flipping any bit of the proof: refused, except where it is the case of a hex digit.
    #[test]
    fn a_proof_with_any_bit_flipped_is_refused_unless_only_its_case_changed(
        at in any::<prop::sample::Index>(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let parts = Parts::new(&wallet);
        let mut proof = parts.proof.clone().into_bytes();
        let bit = at.index(proof.len() * 8);
        proof[bit / 8] ^= 1 << (bit % 8);
        let Ok(proof) = String::from_utf8(proof) else { return Ok(()) };
        let only_case =
            proof.eq_ignore_ascii_case(&parts.proof) && proof.starts_with("0x");
        let token = Parts { proof, claim: parts.claim.clone() }.token();
        prop_assert_eq!(verifier().verify(token, START).is_ok(), only_case);
    }

    /// Flipping any bit of the token's text: refused, or still the very same claim (padding
    /// dropped, a digit's case).
    #[test]
    fn a_token_with_any_bit_flipped_is_refused_or_the_same_claim(
        at in any::<prop::sample::Index>(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let parts = Parts::new(&wallet);
        let plain = verifier().verify(parts.token(), START).expect("a good token");
        let mut token = parts.token().into_bytes();
        let bit = at.index(token.len() * 8);
        token[bit / 8] ^= 1 << (bit % 8);
        if let Ok(claim) = verifier().verify(&token, START) {
            prop_assert_eq!(claim, plain);
        }
    }

    /// A piece cut out, doubled or replaced by other text: refused.
    #[test]
    fn a_token_cut_or_spliced_is_refused(
        from in any::<prop::sample::Index>(),
        length in 1usize..40,
        instead in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let parts = Parts::new(&Wallet::from_seed("alice"));
        let token = parts.token().into_bytes();
        let from = from.index(token.len());
        let to = (from + length).min(token.len());
        let spliced = [&token[..from], &instead, &token[to..]].concat();
        prop_assume!(spliced != token);
        if let Ok(claim) = verifier().verify(&spliced, START) {
            let plain = verifier().verify(&token, START).expect("a good token");
            prop_assert_eq!(claim, plain);
        }
    }
}

/// Every single bit of one token's claim and proof, none left to chance.
#[test]
fn every_bit_of_one_claim_and_one_proof() {
    let parts = Parts::new(&Wallet::from_seed("alice"));
    for bit in 0..parts.claim.len() * 8 {
        let mut claim = parts.claim.clone().into_bytes();
        claim[bit / 8] ^= 1 << (bit % 8);
        let Ok(claim) = String::from_utf8(claim) else { continue };
        let token = Parts { proof: parts.proof.clone(), claim }.token();
        assert!(
            DidToken::decode(token).and_then(DidToken::into_signed).is_err(),
            "bit {bit} of the claim"
        );
    }
    for bit in 0..parts.proof.len() * 8 {
        let mut proof = parts.proof.clone().into_bytes();
        proof[bit / 8] ^= 1 << (bit % 8);
        let Ok(proof) = String::from_utf8(proof) else { continue };
        let only_case = bit >= 16 && proof.eq_ignore_ascii_case(&parts.proof);
        let token = Parts { proof, claim: parts.claim.clone() }.token();
        assert_eq!(
            DidToken::decode(token).and_then(DidToken::into_signed).is_ok(),
            only_case,
            "bit {bit} of the proof"
        );
    }
}

/// The second form of a signature (`n - s`, the other `v`), the forms with `r + n`, and other
/// spellings of `v`: one signature is one text, but for the case of its digits.
#[test]
fn no_other_form_of_the_proof_is_accepted() {
    let parts = Parts::new(&Wallet::from_seed("alice"));
    let digits = hex::decode(&parts.proof[2..]).expect("hex");
    let (r_and_s, v) = digits.split_at(64);
    let signature = k256::ecdsa::Signature::from_slice(r_and_s).expect("a signature");
    let negated = -*signature.s();
    let high_s = [&r_and_s[..32], &negated.to_bytes()[..], &[55 - v[0]]].concat();
    let fault = |bytes: &[u8]| {
        let proof = format!("0x{}", hex::encode(bytes));
        let token = Parts { proof, claim: parts.claim.clone() }.token();
        match DidToken::decode(token) {
            Err(TokenError::FailedRecovery { fault, .. }) => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(&high_s), SignatureFault::HighS);
    for v in (0..=255).filter(|v| !matches!(v, 27 | 28)) {
        assert_eq!(fault(&[r_and_s, &[v]].concat()), SignatureFault::RecoveryId, "v = {v}");
    }
    assert_eq!(fault(r_and_s), SignatureFault::Hex, "64 bytes");
    assert_eq!(fault(&[&digits[..], &[0]].concat()), SignatureFault::Hex, "66 bytes");
    assert_eq!(fault(&[&[0; 32], &digits[32..]].concat()), SignatureFault::OutOfRange);
    assert_eq!(fault(&[&digits[..32], &[0; 32], v].concat()), SignatureFault::OutOfRange);
    assert_eq!(fault(&[&[255; 32], &digits[32..]].concat()), SignatureFault::OutOfRange);
}

/// Whatever stands around an array of two strings is no token.
#[test]
fn no_other_envelope_is_accepted() {
    let parts = Parts::new(&Wallet::from_seed("alice"));
    let (proof, claim) = (
        serde_json::to_string(&parts.proof).expect("a string"),
        serde_json::to_string(&parts.claim).expect("a string"),
    );
    for bad in [
        format!("[{proof},{claim},null]"),
        format!("[{proof},{claim},]"),
        format!("[{proof}]"),
        format!("[{claim},{proof}]"),
        format!("[{proof},{}]", parts.claim),
        format!("[[{proof},{claim}]]"),
        format!("[{proof},{claim}][{proof},{claim}]"),
        format!("[{proof},{claim}]\0"),
        format!("\u{feff}[{proof},{claim}]"),
        format!("\u{a0}[{proof},{claim}]"),
        format!("{{\"0\":{proof},\"1\":{claim}}}"),
        format!("{{\"proof\":{proof},\"claim\":{claim}}}"),
        format!("[{proof},/**/{claim}]"),
        format!("['{}',{claim}]", parts.proof),
    ] {
        let verdict = DidToken::decode(STANDARD.encode(&bad));
        let malformed = matches!(
            verdict,
            Err(TokenError::Malformed(Malformed::Envelope | Malformed::ClaimJson))
        );
        assert!(malformed, "{bad}: {verdict:?}");
    }
}
