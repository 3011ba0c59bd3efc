//! Anything at all may arrive: no panic, no yes, and in reasonable time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tower_didt::store::Ticket;
use tower_didt::testing::Wallet;
use tower_didt::token::DidToken;
use tower_didt::{Issuer, SessionHandle, Timestamp, Verifier};

use crate::support::{AUDIENCE, Parts, START, config};

/// Text that looks like JSON now and then.
fn json_like() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "\"",
        "\\",
        "\\u",
        "d83d",
        "\\ud800",
        "0x",
        "iss",
        "\"iss\"",
        "\"aud\"",
        "null",
        "true",
        "1e999",
        "-",
        "0",
        "1",
        ".",
        "e",
        " ",
        "\n",
        "\0",
        "ä",
        "😀",
        "\u{feff}",
        "\"$serde_json::private::RawValue\"",
        "\"$serde_json::private::Number\"",
    ]);
    proptest::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn arbitrary_bytes_are_no_token(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(DidToken::decode(&bytes).is_err());
        prop_assert!(DidToken::decode(STANDARD.encode(&bytes)).is_err());
    }

    #[test]
    fn arbitrary_json_is_no_token(text in json_like()) {
        prop_assert!(DidToken::decode(STANDARD.encode(&text)).is_err());
        let parts = Parts { proof: text.clone(), claim: text };
        prop_assert!(DidToken::decode(parts.token()).is_err());
    }

    /// Signed, so that the claim is all that can be wrong with it.
    #[test]
    fn an_arbitrary_claim_that_was_really_signed_says_nothing(text in json_like()) {
        let token = Wallet::from_seed("alice").token_from_claim(&text);
        prop_assert!(DidToken::decode(token).is_err());
    }

    /// A sound claim in whose place another text was put at random.
    #[test]
    fn a_signed_claim_with_arbitrary_text_in_it_is_refused_or_this_issuers(
        from in any::<prop::sample::Index>(),
        length in 0usize..30,
        text in json_like(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let claim = wallet.token(AUDIENCE).issued_at(START).claim();
        let from = from.index(claim.len());
        let to = (from + length).min(claim.len());
        let claim = format!("{}{text}{}", &claim[..from], &claim[to..]);
        let token = wallet.token_from_claim(&claim);
        if let Ok(verified) = Verifier::new(AUDIENCE).verify(token, START) {
            prop_assert_eq!(verified.issuer(), wallet.issuer());
            prop_assert_eq!(verified.claim().aud(), AUDIENCE);
            prop_assert!(verified.expires_at() >= START);
        }
    }

    #[test]
    fn an_arbitrary_attachments_signature_is_refused(add in any::<String>()) {
        let wallet = Wallet::from_seed("alice");
        let token = wallet.token(AUDIENCE).issued_at(START).set("add", add).mint();
        let verifier = Verifier::new(AUDIENCE).with_attachment("none");
        prop_assert!(verifier.verify(&token, START).is_err());
        prop_assert!(Verifier::new(AUDIENCE).verify(&token, START).is_ok());
    }

    #[test]
    fn only_the_one_form_is_an_issuer(text in "(did:ethr:)?(0x)?[0-9a-fA-Fg]{38,42}|\\PC*") {
        match text.parse::<Issuer>() {
            Ok(issuer) => {
                prop_assert!(issuer.to_string().eq_ignore_ascii_case(&text));
                prop_assert_eq!(issuer.to_string().parse::<Issuer>(), Ok(issuer));
                let json = serde_json::to_string(&issuer).expect("a string");
                prop_assert_eq!(serde_json::from_str::<Issuer>(&json).expect("itself"), issuer);
            }
            Err(_) => {
                let digits = text.strip_prefix("did:ethr:0x").unwrap_or_default();
                let sound =
                    digits.len() == 40 && digits.bytes().all(|b| b.is_ascii_hexdigit());
                prop_assert!(!sound);
            }
        }
    }

    /// A session id has one text; whatever else is presented is none.
    #[test]
    fn an_arbitrary_cookie_value_is_no_id_or_the_only_text_of_one(
        text in "[-_A-Za-z0-9+/=]{42,44}|\\PC*",
    ) {
        if Ticket::handle_of(&text).is_some() {
            prop_assert_eq!(text.len(), 43);
            prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        }
        let _ = text.parse::<SessionHandle>();
    }

    #[test]
    fn times_are_finite_whatever_is_done_to_them(
        time in any::<f64>(),
        span in any::<std::time::Duration>(),
        other in any::<f64>(),
    ) {
        if let (Some(time), Some(other)) =
            (Timestamp::from_secs_f64(time), Timestamp::from_secs_f64(other))
        {
            prop_assert!(time.plus(span).as_secs_f64().is_finite());
            prop_assert!(time.minus(span).as_secs_f64().is_finite());
            prop_assert!(time.minus(span) <= time && time <= time.plus(span));
            let _ = (time.since(other), time.as_secs(), time.to_string());
            let json = serde_json::to_string(&time).expect("a number");
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).expect("itself"), time);
        }
    }
}

/// The largest tokens that are read at all, of the kinds that cost parsers most. Time is
/// linear in length; the bound is generous because test machines are slow and shared.
#[test]
fn the_worst_tokens_of_a_megabyte_are_refused_without_delay() {
    let wallet = Wallet::from_seed("alice");
    let (size, verifier) = (700_000, Verifier::new("app").with_max_token_len(4 << 20));
    let sound = wallet.token("app").claim();
    let sound = &sound[..sound.len() - 1];
    let many_keys: String = (0..size / 12).map(|n| format!(",\"{n:08}\":0")).collect();
    let rows = [
        ("deep arrays", format!("{sound},\"x\":{}0{}}}", "[".repeat(size), "]".repeat(size))),
        ("deep objects", format!("{sound},\"x\":{}", "{\"\":".repeat(size / 5))),
        ("deep in iss", format!("{{\"iss\":{}0{}}}", "[".repeat(size), "]".repeat(size))),
        ("deep array as claim", "[".repeat(size)),
        ("many keys", format!("{sound}{many_keys}}}")),
        ("long key", format!("{sound},\"{}\":0}}", "k".repeat(size))),
        ("many digits", format!("{sound},\"x\":{}}}", "9".repeat(size))),
        ("many digits in iat", format!("{{\"iat\":1{}}}", "0".repeat(size))),
        ("many small digits", format!("{{\"iat\":0.{}1}}", "0".repeat(size))),
        ("huge exponent", format!("{{\"iat\":1e{}}}", "9".repeat(size))),
        ("escapes", format!("{sound},\"x\":\"{}\"}}", "\\u0041".repeat(size / 6))),
        ("backslashes", format!("{sound},\"x\":\"{}\"}}", "\\\\".repeat(size / 2))),
    ];
    for (name, claim) in rows {
        let token = wallet.token_from_claim(&claim);
        let started = std::time::Instant::now();
        let _ = verifier.decode(&token);
        let took = started.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{name} took {took:?}");
    }
}
