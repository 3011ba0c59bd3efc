//! Rate limits: what is over them is answered before a signature is checked.

use std::net::SocketAddr;

use tower_didt::testing::Wallet;

use crate::didt::{Didt, LISTEN, TOP};
use crate::http::{Answer, ask, get};

/// How many signatures were checked, and how many tokens were found in the cache.
fn looked_at(private: SocketAddr) -> u64 {
    let text = get(private, "/metrics").body;
    let counts = text.lines().filter(|line| line.starts_with("didt_verify_seconds_count"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

fn login(public: SocketAddr, from: &str, token: &str) -> Answer {
    login_with(public, from, &format!("Bearer {token}"))
}

fn login_with(public: SocketAddr, from: &str, bearer: &str) -> Answer {
    let headers = [("authorization", bearer), ("x-forwarded-for", from)];
    ask(public, "POST", "/auth/login", &headers)
}

fn token(seed: &str, number: usize) -> String {
    let lifespan = std::time::Duration::from_secs(900 - number as u64);
    Wallet::from_seed(seed).token("app").lifespan(lifespan).mint()
}

#[test]
fn sign_ins_are_limited_by_network_and_by_issuer() {
    let rates =
        "[rates]\nsign_ins = 3\nsign_ins_per_issuer = 2\nexempt_networks = [\"10.0.0.0/8\"]\n";
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{rates}"));
    // One network, whoever signs in; the /64 of IPv6 is one.
    for (network, addresses) in [
        ("IPv4", ["203.0.113.9"; 4]),
        ("IPv6", ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:3", "2001:db8:0:0:1::4"]),
    ] {
        for (number, from) in addresses.into_iter().enumerate() {
            let before = looked_at(private);
            let answer = login(public, from, &token(&format!("{network}{number}"), 0));
            if number < 3 {
                assert_eq!(answer.status, 204, "{network} {number}: {answer:?}");
                assert!(looked_at(private) > before, "the counter counts");
                continue;
            }
            assert_eq!(answer.status, 429, "{network}: {answer:?}");
            let wait = answer.header("retry-after").expect("how long").parse::<u64>();
            assert!((1..=20).contains(&wait.expect("seconds")), "{answer:?}");
            assert_eq!(looked_at(private), before, "{network}: no signature was checked");
        }
    }
    assert_eq!(login(public, "203.0.113.10", &token("else", 0)).status, 204, "another address");

    // One issuer, wherever it signs in.
    for number in 0..3 {
        let before = looked_at(private);
        let answer = login(public, &format!("198.51.100.{number}"), &token("eve", number));
        assert_eq!(answer.status, if number < 2 { 204 } else { 429 }, "{answer:?}");
        assert_eq!(looked_at(private) > before, number < 2, "{number}");
    }
    // However the header is written.
    for (number, scheme) in ["Bearer  ", "bearer ", "BEARER   "].into_iter().enumerate() {
        let bearer = format!("{scheme}{}", token("eve", 3 + number));
        let answer = login_with(public, &format!("198.51.103.{number}"), &bearer);
        assert_eq!(answer.status, 429, "{scheme:?}: {answer:?}");
    }
    // A forged token that names somebody takes nothing from them.
    let forged = |number| {
        let (mine, theirs) = (token("mallory", number), token("victim", number));
        splice(&mine, &theirs)
    };
    for number in 0..2 {
        assert_eq!(login(public, &format!("198.51.101.{number}"), &forged(number)).status, 401);
    }
    assert_eq!(login(public, "198.51.102.1", &token("victim", 9)).status, 204);

    // Neither limit is for exempt networks, nor for clients that nobody knows.
    for from in ["10.1.2.3", "unknown"] {
        for number in 0..5 {
            let answer = login(public, from, &token(&format!("eve{from}"), number));
            assert_eq!(answer.status, 204, "{from} {number}: {answer:?}");
        }
    }
    let metrics = get(private, "/metrics").body;
    for (limit, count) in [("sign_ins", 2), ("sign_ins_per_issuer", 4)] {
        let line = format!("didt_rate_limited_total{{limit=\"{limit}\"}} {count}");
        assert!(metrics.contains(&line), "{metrics}");
    }
}

/// The claim of one token under the proof of another.
fn splice(proof: &str, claim: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let read = |token: &str| -> Vec<String> {
        serde_json::from_slice(&STANDARD.decode(token).expect("base64")).expect("JSON")
    };
    let (proof, claim) = (read(proof), read(claim));
    STANDARD.encode(serde_json::json!([proof[0], claim[1]]).to_string())
}

#[test]
fn tokens_of_a_client_that_was_refused_too_often_are_not_looked_at() {
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}[rates]\ndenials = 3\n"));
    let cookie = login(public, "203.0.113.9", &token("alice", 0)).session_cookie();
    let cookie = format!("__Host-didt={}", cookie.expect("a cookie"));
    let check = |from: &str, credential: (&str, &str)| {
        let told = [
            ("x-forwarded-for", from),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "app.example.com"),
            ("x-forwarded-uri", "/a"),
            credential,
        ];
        ask(public, "GET", "/check/caddy", &told)
    };
    let forged =
        |number| format!("Bearer {}", splice(&token("mallory", number), &token("bob", number)));
    for number in 0..3 {
        assert_eq!(check("203.0.113.9", ("authorization", &forged(number))).status, 401);
    }
    let before = looked_at(private);
    let good = format!("Bearer {}", token("alice", 1));
    for credential in [forged(3), good.clone()] {
        let answer = check("203.0.113.9", ("authorization", &credential));
        assert_eq!(answer.status, 429, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
    assert_eq!(login(public, "203.0.113.9", &token("alice", 2)).status, 429);
    assert_eq!(looked_at(private), before, "no signature was checked");
    assert_eq!(check("203.0.113.9", ("cookie", &cookie)).status, 200, "sessions go on");
    assert_eq!(check("203.0.113.9", ("accept", "*/*")).status, 401, "and visits begin");
    assert_eq!(check("203.0.113.10", ("authorization", &good)).status, 200, "others do too");
}

/// Refusals at the endpoints where people sign in count like those of checks.
#[test]
fn a_client_whose_sign_ins_were_refused_too_often_is_not_looked_at() {
    let (_didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}[rates]\ndenials = 3\n"));
    let forged = |number| splice(&token("mallory", number), &token("bob", number));
    for number in 0..3 {
        assert_eq!(login(public, "203.0.113.9", &forged(number)).status, 401);
    }
    let before = looked_at(private);
    for token in [forged(3), token("alice", 0)] {
        assert_eq!(login(public, "203.0.113.9", &token).status, 429);
    }
    assert_eq!(looked_at(private), before, "no signature was checked");
    assert_eq!(login(public, "203.0.113.10", &token("alice", 1)).status, 204, "others");
}

#[test]
fn sign_ins_by_the_page_count_like_those_of_programs() {
    let page = "[sign_in]\npublishable_key = \"pk_live_test\"\n";
    let (_didt, public, private) =
        Didt::start(&format!("{TOP}{LISTEN}{page}[rates]\nsign_ins = 2\n"));
    let sign_in = |from: &str, number| {
        let bearer = format!("Bearer {}", token("alice", number));
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-forwarded-for", from),
            ("sec-fetch-site", "same-origin"),
        ];
        ask(public, "POST", "/auth/sign-in", &headers).status
    };
    assert_eq!([0, 1].map(|number| sign_in("203.0.113.9", number)), [200, 200]);
    let before = looked_at(private);
    assert_eq!(sign_in("203.0.113.9", 2), 429);
    assert_eq!(login(public, "203.0.113.9", &token("alice", 3)).status, 429, "one limit for both");
    assert_eq!(looked_at(private), before, "no signature was checked");
    assert_eq!(sign_in("203.0.113.10", 4), 200);
}

#[test]
fn nobody_is_limited_unless_the_settings_say_so() {
    let (_didt, public, _) = Didt::start(&format!("{TOP}{LISTEN}"));
    for number in 0..50 {
        assert_eq!(login(public, "203.0.113.9", &token("alice", number)).status, 204);
    }
}
