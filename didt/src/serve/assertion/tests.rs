use http::StatusCode;
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
use ring::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

use super::*;
use crate::serve::config::Secret;
use crate::serve::test_support::{
    Gateway, PROXY, START, alice, bearer, config, empty, get, with_cookie,
};

fn settings(key: impl Into<String>) -> Assertion {
    Assertion {
        issuer: "https://auth.example.com".to_owned(),
        audience: "https://api.example.com".to_owned(),
        lifetime: Duration::from_secs(60),
        key: Secret::new(key.into()),
    }
}

fn generate(algorithm: &'static rcgen::SignatureAlgorithm) -> String {
    rcgen::KeyPair::generate_for(algorithm).expect("a key").serialize_pem()
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64")
}

fn json_of(part: &str) -> Value {
    serde_json::from_slice(&decode(part)).expect("JSON")
}

/// Checks an assertion with the key that the key set names, and gives its claims.
fn verify(assertion: &str, jwks: &Value) -> Value {
    let parts: Vec<_> = assertion.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("three parts: {assertion}") };
    let (header, jwk) = (json_of(header), &jwks["keys"][0]);
    assert_eq!((&header["kid"], &header["alg"]), (&jwk["kid"], &jwk["alg"]));
    assert_eq!(header["typ"], "JWT");
    let coordinate = |name: &str| decode(jwk[name].as_str().expect(name));
    let (signed, _) = assertion.rsplit_once('.').expect("a signature");
    let verified = if header["alg"] == "ES256" {
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        key.verify(signed.as_bytes(), &decode(signature))
    } else {
        let key = UnparsedPublicKey::new(&ED25519, coordinate("x"));
        key.verify(signed.as_bytes(), &decode(signature))
    };
    verified.expect("the key set's key signed it");
    json_of(claims)
}

#[tokio::test]
async fn an_assertion_vouches_for_the_caller_under_a_key_that_is_served() {
    for (algorithm, name) in [(&PKCS_ECDSA_P256_SHA256, "ES256"), (&PKCS_ED25519, "EdDSA")] {
        let mut config = config();
        config.assertion = Some(settings(generate(algorithm)));
        let gateway = Gateway::new(config);
        let keys = gateway.send(PROXY, empty(get("/auth/jwks.json"))).await;
        assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
        assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
        let keys = keys.json();
        assert_eq!(keys["keys"][0]["alg"], name);
        assert_eq!(keys["keys"][0].get("d"), None, "{name}: the private half stays here");

        let question = || {
            get("/check/nginx")
                .header("x-original-method", "GET")
                .header("x-original-scheme", "https")
                .header("x-original-host", "app.example.com")
                .header("x-original-uri", "/app")
        };
        let cookie = gateway.sign_in(&alice()).await;
        let answer = gateway.send(PROXY, empty(with_cookie(question(), &cookie))).await;
        let claims = verify(answer.header("x-auth-assertion").expect("one"), &keys);
        let expected = json!({
            "iss": "https://auth.example.com",
            "aud": "https://api.example.com",
            "sub": alice().issuer(),
            "address": alice().issuer().address().to_string(),
            "sid": answer.header("x-auth-session"),
            "iat": START.as_secs(),
            "exp": START.as_secs() + 60,
        });
        assert_eq!(claims, expected, "{name}");

        // A token that expires sooner than the assertion would.
        let alice = alice();
        let token = alice.token(crate::serve::test_support::AUDIENCE);
        let token = token.issued_at(START).lifespan(Duration::from_secs(20)).mint();
        let answer = gateway.send(PROXY, empty(bearer(question(), &token))).await;
        let claims = verify(answer.header("x-auth-assertion").expect("one"), &keys);
        assert_eq!(claims["exp"], START.as_secs() + 20, "{name}");
        assert_eq!(claims.get("sid"), None, "{name}");

        let denied = gateway.send(PROXY, empty(question())).await;
        assert_eq!(denied.status, StatusCode::UNAUTHORIZED);
        assert_eq!(denied.header("x-auth-assertion"), None, "{name}");
    }
}

#[test]
fn only_p_256_ed25519_and_rsa_keys_in_pkcs_8_will_do() {
    let pkcs1 = "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n";
    for bad in ["", "secret", pkcs1, &generate(&PKCS_ECDSA_P384_SHA384)] {
        assert!(Signer::new(&settings(bad), START).is_err(), "{bad:?}");
    }
}

/// RFC 7638 section 3.1 has its example for RSA; RFC 8037 appendix A.3 for Ed25519.
#[test]
fn a_keys_id_is_its_thumbprint() {
    let jwk = json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    assert_eq!(thumbprint(&jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn nothing_shows_the_private_key() {
    let pem = generate(&PKCS_ED25519);
    let settings = settings(pem.clone());
    let signer = Signer::new(&settings, START).expect("a key");
    let line = pem.lines().nth(1).expect("a line of base64");
    assert!(!format!("{settings:?} {signer:?}").contains(line));
}

/// Text of a file of keys: each between two moments, in seconds after the start.
fn file(keys: &[(&str, Option<u64>, Option<u64>)]) -> String {
    let moment = |seconds: u64| {
        let unix = u64::try_from(START.as_secs()).expect("after 1970") + seconds;
        humantime::format_rfc3339(std::time::UNIX_EPOCH + Duration::from_secs(unix)).to_string()
    };
    let entries = keys.iter().map(|(key, from, until)| {
        let from = from.map(|from| format!("from {}\n", moment(from))).unwrap_or_default();
        let until = until.map(|until| format!("until {}\n", moment(until))).unwrap_or_default();
        format!("# a key\n{from}{until}{key}\n")
    });
    entries.collect()
}

#[tokio::test]
async fn the_newest_key_whose_time_it_is_signs_and_all_that_have_not_ended_are_published() {
    let [old, new, next] = [&PKCS_ED25519, &PKCS_ECDSA_P256_SHA256, &PKCS_ED25519].map(generate);
    let ids = [&old, &new, &next].map(|key| {
        let keys = Signer::new(&settings(key.clone()), START).expect("a key").jwks(START);
        let keys: Value = serde_json::from_str(&keys).expect("JSON");
        keys["keys"][0]["kid"].as_str().expect("an id").to_owned()
    });
    let text =
        file(&[(&next, Some(7200), None), (&new, Some(1800), None), (&old, None, Some(3600))]);
    let mut config = config();
    config.assertion = Some(settings(text));
    let gateway = Gateway::new(config);
    let cookie = gateway.sign_in(&alice()).await;
    let rows = [
        (0, 0, vec![2, 1, 0]),
        (1799, 0, vec![2, 1, 0]),
        (1800, 1, vec![2, 1, 0]),
        (3599, 1, vec![2, 1, 0]),
        (3600, 1, vec![2, 1]),
        (7200, 2, vec![2, 1]),
    ];
    for (seconds, signs, published) in rows {
        gateway.clock.set(START.plus(Duration::from_secs(seconds)));
        let keys = gateway.send(PROXY, empty(get("/auth/jwks.json"))).await.json();
        let listed: Vec<_> =
            keys["keys"].as_array().expect("a list").iter().map(|key| key["kid"].clone()).collect();
        let expected: Vec<_> = published.into_iter().map(|n: usize| json!(ids[n])).collect();
        assert_eq!(listed, expected, "after {seconds} s");
        let question = get("/check/nginx")
            .header("x-original-method", "GET")
            .header("x-original-scheme", "https")
            .header("x-original-host", "app.example.com")
            .header("x-original-uri", "/app");
        let answer = gateway.send(PROXY, empty(with_cookie(question, &cookie))).await;
        let assertion = answer.header("x-auth-assertion").expect("one").to_owned();
        let header = json_of(assertion.split('.').next().expect("a header"));
        assert_eq!(header["kid"], ids[signs], "after {seconds} s");
    }
}

#[tokio::test]
async fn an_assertion_ends_with_its_key_and_without_a_key_nobody_passes() {
    let text = file(&[(&generate(&PKCS_ED25519), None, Some(30))]);
    let mut config = config();
    config.assertion = Some(settings(text));
    let gateway = Gateway::new(config);
    let cookie = gateway.sign_in(&alice()).await;
    let question = || {
        let question = get("/check/nginx")
            .header("x-original-method", "GET")
            .header("x-original-scheme", "https")
            .header("x-original-host", "app.example.com")
            .header("x-original-uri", "/app");
        empty(with_cookie(question, &cookie))
    };
    let answer = gateway.send(PROXY, question()).await;
    let assertion = answer.header("x-auth-assertion").expect("one").to_owned();
    let claims = json_of(assertion.split('.').nth(1).expect("claims"));
    assert_eq!(claims["exp"], START.as_secs() + 30);
    gateway.clock.set(START.plus(Duration::from_secs(30)));
    let answer = gateway.send(PROXY, question()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("x-auth-assertion"), None);
}

#[test]
fn a_file_of_keys_with_a_fault_is_refused_with_its_line() {
    let key = generate(&PKCS_ED25519);
    let other = generate(&PKCS_ED25519);
    let many: String = (0..17).map(|_| generate(&PKCS_ED25519)).collect();
    let rows = [
        (String::new(), InvalidKey::NoKey { line: 1 }),
        (format!("form 2026-07-01T00:00:00Z\n{key}"), InvalidKey::Line { line: 1 }),
        (format!("from\n{key}"), InvalidKey::Line { line: 1 }),
        (format!("from 2026-07-01\n{key}"), InvalidKey::Time { line: 1 }),
        (format!("\nuntil 1969-07-01T00:00:00Z\n{key}"), InvalidKey::Time { line: 2 }),
        (
            format!("from 2020-01-01T00:00:00Z\nfrom 2021-01-01T00:00:00Z\n{key}"),
            InvalidKey::Line { line: 2 },
        ),
        (
            format!("until 2020-01-01T00:00:00Z\nfrom 2021-01-01T00:00:00Z\n{key}"),
            InvalidKey::Never { line: 3 },
        ),
        (format!("{key}from 2020-01-01T00:00:00Z\n"), InvalidKey::NoKey { line: 5 }),
        (format!("{key}{other}{key}"), InvalidKey::Twice { line: 9 }),
        (many, InvalidKey::TooMany),
        (file(&[(&key, Some(1), None)]), InvalidKey::NoneNow),
        (file(&[(&key, None, Some(0))]), InvalidKey::NoneNow),
        (
            format!("{key}-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"),
            InvalidKey::NoKey { line: 5 },
        ),
        (format!("{key}-----BEGIN PRIVATE KEY-----\nMAA=\n"), InvalidKey::NoKey { line: 5 }),
    ];
    for (text, fault) in rows {
        assert_eq!(Signer::new(&settings(text.clone()), START).err(), Some(fault), "{text}");
        assert!(!fault.to_string().is_empty());
    }
}
