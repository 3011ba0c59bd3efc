//! Whatever a claim holds comes out as it was put in.

use proptest::prelude::*;
use serde_json::{Number, Value};
use tower_didt::testing::Wallet;
use tower_didt::token::Malformed;
use tower_didt::{Timestamp, TokenError, Verifier};

use crate::support::{Choices, config};

const KNOWN: [&str; 8] = ["iat", "ext", "nbf", "iss", "sub", "aud", "tid", "add"];

/// Any finite time, often a likely one.
fn time() -> impl Strategy<Value = f64> {
    let finite = any::<f64>().prop_filter("finite", |t| t.is_finite());
    prop_oneof![
        finite,
        (1_600_000_000i64..1_800_000_000).prop_map(|t| t as f64),
        (1_600_000_000_000i64..1_800_000_000_000).prop_map(|t| t as f64 / 1000.0),
        proptest::sample::select(vec![0.0, -0.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324]),
    ]
}

/// A JSON number that reads as `time`: plain, with an exponent in either case, or with
/// more digits than needed.
fn number(time: f64, choices: &mut Choices) -> String {
    match choices.next() % 4 {
        0 => serde_json::to_string(&time).expect("a finite number"),
        1 => format!("{time:e}"),
        2 => format!("{time:E}").replace("E-", "E-00"),
        _ if time.abs() < 1e20 && time.fract() == 0.0 => format!("{time:.0}"),
        _ => format!("{time:.400}"),
    }
}

fn value(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Number(n.into())),
        any::<f64>().prop_filter_map("finite", |n| Number::from_f64(n).map(Value::Number)),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(depth, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn unknown() -> impl Strategy<Value = Vec<(String, Value)>> {
    let key = any::<String>().prop_filter("unknown", |key| !KNOWN.contains(&key.as_str()));
    proptest::collection::btree_map(key, value(30), 0..4).prop_map(|map| map.into_iter().collect())
}

fn verifier(audience: &str) -> Verifier {
    Verifier::new(audience).with_max_token_len(1 << 20)
}

/// `value` within `levels` arrays and objects.
fn nested(levels: usize, choices: &mut Choices) -> String {
    let kinds: Vec<_> = (0..levels).map(|_| choices.next().is_multiple_of(2)).collect();
    let open = kinds.iter().map(|array| if *array { "[" } else { "{\"[\":" });
    let close = kinds.iter().rev().map(|array| if *array { "]" } else { "}" });
    open.chain(["0"]).chain(close).collect()
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn any_strings_times_and_unknown_keys_come_out_as_they_were_put_in(
        (iat, ext, nbf) in (time(), time(), time()),
        (sub, aud, tid) in any::<(String, String, String)>(),
        add in any::<Option<String>>(),
        unknown in unknown(),
        order in any::<[prop::sample::Index; 12]>(),
        mut choices in Choices::any(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let mut entries = Vec::new();
        for (key, time) in [("iat", iat), ("ext", ext), ("nbf", nbf)] {
            entries.push((key.to_owned(), number(time, &mut choices)));
        }
        let issuer = wallet.issuer().to_string();
        let texts = [("iss", &issuer), ("sub", &sub), ("aud", &aud), ("tid", &tid)];
        for (key, text) in texts.into_iter().chain(add.as_ref().map(|add| ("add", add))) {
            let mut json = String::new();
            choices.string(text, &mut json);
            entries.push((key.to_owned(), json));
        }
        entries.extend(unknown.into_iter().map(|(key, value)| (key, value.to_string())));

        let mut claim = "{".to_owned();
        for at in order.iter().cycle() {
            if entries.is_empty() {
                break;
            }
            let (key, value) = entries.remove(at.index(entries.len()));
            choices.blanks(&mut claim);
            choices.string(&key, &mut claim);
            choices.blanks(&mut claim);
            claim.push(':');
            choices.blanks(&mut claim);
            claim.push_str(&value);
            choices.blanks(&mut claim);
            claim.push(if entries.is_empty() { '}' } else { ',' });
        }

        let token = wallet.token_from_claim(&claim);
        let decoded = verifier(&aud).decode(&token).expect("a sound claim");
        let times = |t: f64| Timestamp::from_secs_f64(t).expect("finite");
        let read = decoded.claim();
        prop_assert_eq!((read.iat(), read.ext(), read.nbf()), (times(iat), times(ext), times(nbf)));
        prop_assert_eq!((read.untrusted_sub(), read.aud(), read.tid()), (&*sub, &*aud, &*tid));
        prop_assert_eq!(read.add(), add.as_deref());
        prop_assert_eq!(read.iss(), wallet.issuer());
        let signed = decoded.into_signed().expect("signed by its issuer");
        prop_assert_eq!(signed.issuer(), wallet.issuer());

        // Valid from the later of nbf and iat until ext, and for no blank audience.
        let now = times(iat.max(nbf));
        let verdict = verifier(&aud).verify(&token, now);
        prop_assert_eq!(verdict.is_ok(), !aud.is_empty() && times(ext) >= now);
        let other = format!("{aud}x");
        prop_assert!(verifier(&other).verify(&token, now).is_err());
    }

    /// 31 levels under an unknown key pass, one more never does, brackets in strings or not.
    #[test]
    fn depth_is_bounded_exactly(levels in 0usize..80, mut choices in Choices::any()) {
        let wallet = Wallet::from_seed("alice");
        let value = nested(levels, &mut choices);
        let raw = serde_json::value::RawValue::from_string(value).expect("JSON");
        let claim = wallet.token("app").set("x", raw).claim();
        let verdict = verifier("app").decode(wallet.token_from_claim(&claim));
        match verdict {
            Ok(_) => prop_assert!(levels <= 31, "{levels} levels passed"),
            Err(TokenError::Malformed(Malformed::TooDeep { limit: 32 })) => {
                prop_assert!(levels > 31, "{levels} levels did not pass");
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    /// A key that stands twice is refused however it is escaped, known or not, and whether or
    /// not the values agree.
    #[test]
    fn a_key_that_stands_twice_is_refused(
        key in prop_oneof![
            proptest::sample::select(KNOWN.to_vec()).prop_map(str::to_owned),
            any::<String>(),
        ],
        same in any::<bool>(),
        mut choices in Choices::any(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let claim = wallet.token("app").set(key.clone(), "x").claim();
        let mut second = String::new();
        choices.string(&key, &mut second);
        second.push_str(if same { ":\"x\"" } else { ":0" });
        let claim = format!("{},{second}}}", &claim[..claim.len() - 1]);
        let verdict = verifier("app").decode(wallet.token_from_claim(&claim));
        let twice = matches!(verdict, Err(TokenError::Malformed(Malformed::DuplicateKey)));
        prop_assert!(twice, "{claim}: {verdict:?}");
    }

    /// A lone surrogate has no UTF-8: refused wherever it stands.
    #[test]
    fn a_lone_surrogate_is_refused_wherever_it_stands(
        unit in 0xd800u16..0xe000,
        place in 0usize..5,
        upper in any::<bool>(),
    ) {
        let wallet = Wallet::from_seed("alice");
        let escape =
            if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
        let base = wallet.token("app").claim();
        let base = &base[..base.len() - 1];
        let claim = match place {
            0 => base.replacen("\"tid\":\"", &format!("\"tid\":\"{escape}"), 1),
            1 => format!("{base},\"x\":\"{escape}\""),
            2 => format!("{base},\"{escape}\":0"),
            3 => format!("{base},\"x\":{{\"a\":[\"\\\\\",\"{escape}\"]}}"),
            _ => format!("{base},\"x\":{{\"{escape}\":0}}"),
        } + "}";
        let verdict = verifier("app").decode(wallet.token_from_claim(&claim));
        prop_assert!(matches!(verdict, Err(TokenError::Malformed(_))), "{claim}: {verdict:?}");
    }
}
