//! Audience and times, against an oracle.

use std::time::Duration;

use proptest::prelude::*;
use tower_didt::testing::Wallet;
use tower_didt::token::DidToken;
use tower_didt::{Timestamp, Verifier};

use crate::support::{AUDIENCE, config};

/// Four times and four spans: of the claim, of the check, of the verifier.
#[derive(Clone, Copy, Debug)]
struct Case<T, S> {
    ext: T,
    nbf: T,
    iat: T,
    now: T,
    expiry: S,
    not_before: S,
    issued_at: S,
    max_age: Option<S>,
}

/// The rule in whole numbers, without any rounding.
fn oracle(case: &Case<i128, i128>) -> bool {
    case.now <= case.ext + case.expiry
        && case.nbf <= case.now + case.not_before
        && case.iat <= case.now + case.issued_at
        && case.max_age.is_none_or(|max_age| case.now - case.iat <= max_age)
}

/// Parts of a second: a power of two, so that floats are exact, that divides 10⁹.
const PARTS: i128 = 512;

/// Times close to `now` and to every limit, and far away from all.
fn exact() -> impl Strategy<Value = Case<i128, i128>> {
    let span = || prop_oneof![Just(0), 0i128..4, 0i128..(1 << 40)];
    let now = prop_oneof![Just(0), -(1i128 << 42)..(1 << 42)];
    let near = || (0usize..6, -2i128..3, -(1i128 << 43)..(1 << 43));
    (now, span(), span(), span(), proptest::option::of(span()), near(), near(), near()).prop_map(
        |(now, expiry, not_before, issued_at, max_age, ext, nbf, iat)| {
            let limits = [-expiry, not_before, issued_at, -max_age.unwrap_or(0), 0];
            let at = |(limit, offset, far): (usize, i128, i128)| match limits.get(limit) {
                Some(limit) => now + limit + offset,
                None => far,
            };
            Case {
                ext: at(ext),
                nbf: at(nbf),
                iat: at(iat),
                now,
                expiry,
                not_before,
                issued_at,
                max_age,
            }
        },
    )
}

fn verifier(case: &Case<f64, Duration>) -> Verifier {
    let verifier = Verifier::new(AUDIENCE)
        .with_expiry_leeway(case.expiry)
        .with_not_before_leeway(case.not_before)
        .with_issued_at_leeway(case.issued_at);
    match case.max_age {
        Some(max_age) => verifier.with_max_age(max_age),
        None => verifier,
    }
}

fn verdict(case: &Case<f64, Duration>) -> bool {
    let wallet = Wallet::from_seed("alice");
    let claim = wallet
        .token(AUDIENCE)
        .set("ext", case.ext)
        .set("nbf", case.nbf)
        .set("iat", case.iat)
        .claim();
    // The proof does not matter here: the curve is spared.
    let token = DidToken::decode(wallet.token_from_claim(&claim)).expect("a sound claim");
    let now = Timestamp::from_secs_f64(case.now).expect("finite");
    verifier(case).check_statement(token.claim(), now).is_ok()
}

fn finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |t| t.is_finite()),
        -1e10..1e10f64,
        proptest::sample::select(vec![
            0.0,
            -0.0,
            f64::MAX,
            f64::MIN,
            5e-324,
            9_007_199_254_740_993.0,
            1.0000000000016881e21,
        ]),
    ]
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        any::<Duration>(),
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0u64..1000).prop_map(Duration::from_secs),
    ]
}

fn floats() -> impl Strategy<Value = Case<f64, Duration>> {
    let spans = (span(), span(), span(), proptest::option::of(span()));
    (finite(), finite(), finite(), finite(), spans).prop_map(
        |(ext, nbf, iat, now, (expiry, not_before, issued_at, max_age))| Case {
            ext,
            nbf,
            iat,
            now,
            expiry,
            not_before,
            issued_at,
            max_age,
        },
    )
}

/// How much a sum of these two may be rounded.
fn rounding(time: f64, span: Duration) -> f64 {
    (time.abs() + span.as_secs_f64()) * f64::EPSILON
}

proptest! {
    #![proptest_config(config(2048))]

    #[test]
    fn the_verdict_is_that_of_whole_numbers(case in exact()) {
        let secs = |parts: i128| parts as f64 / PARTS as f64;
        let span = |parts: i128| {
            let nanos = parts * (1_000_000_000 / PARTS);
            Duration::new(
                u64::try_from(nanos / 1_000_000_000).expect("in range"),
                u32::try_from(nanos % 1_000_000_000).expect("below a second"),
            )
        };
        let floats = Case {
            ext: secs(case.ext),
            nbf: secs(case.nbf),
            iat: secs(case.iat),
            now: secs(case.now),
            expiry: span(case.expiry),
            not_before: span(case.not_before),
            issued_at: span(case.issued_at),
            max_age: case.max_age.map(span),
        };
        prop_assert_eq!(verdict(&floats), oracle(&case));
    }

    /// Any finite floats: never a yes that is wrong by more than a float's rounding, and
    /// never a no that is.
    #[test]
    fn extreme_floats_are_right_to_the_last_digit(case in floats()) {
        let yes = verdict(&case);
        // Differences of halves: they do not overflow.
        let ahead = |time: f64, of: f64| time / 2.0 - of / 2.0;
        let limits = [
            (ahead(case.now, case.ext), case.expiry, case.ext),
            (ahead(case.nbf, case.now), case.not_before, case.nbf),
            (ahead(case.iat, case.now), case.issued_at, case.iat),
        ];
        let age = case.max_age.map(|max_age| (ahead(case.now, case.iat), max_age, case.iat));
        let (mut surely, mut possibly) = (true, true);
        for (distance, allowed, time) in limits.into_iter().chain(age) {
            let slack = rounding(time, allowed) + case.now.abs() * f64::EPSILON;
            let over = distance - allowed.as_secs_f64() / 2.0;
            surely &= over < -slack;
            possibly &= over <= slack;
        }
        prop_assert!(!yes || possibly, "accepted: {case:?}");
        prop_assert!(yes || !surely, "refused: {case:?}");
    }
}
