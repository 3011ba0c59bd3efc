use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tower_didt::magic::SecretKey;
use tower_didt::testing::{self, Fault, TestUser};

use super::super::policy::{Access, Admit, Parties, PathPattern, Policy, Requests, Rule};
use super::super::test_support::{
    Answer, Gateway, PROXY, alice, bearer, bob, config, empty, get, post, with_cookie,
};
use super::*;

mod odd_users;

const KEY: &str = "sk_test_1";

/// A stub that knows Alice.
fn stub() -> testing::Magic {
    let stub = testing::Magic::new(KEY, "did:magic:gateway-test");
    stub.add_user(TestUser::new(alice().issuer()).email("Alice@Example.com"));
    stub
}

fn settings(required: bool) -> config::Magic {
    config::Magic {
        secret_key: KEY.parse::<SecretKey>().expect("a key"),
        api_url: None,
        required,
        timeout: Duration::from_secs(3),
        fresh_for: Duration::from_secs(300),
        stale_until: Duration::from_secs(3600),
        renew_after: Duration::from_secs(3600),
        sign_out: true,
    }
}

fn emails(patterns: &[&str]) -> Admit {
    let emails = patterns.iter().map(|text| text.parse().expect("a pattern"));
    Admit::Listed(Arc::new(Parties { emails: emails.collect(), ..Parties::default() }))
}

fn rule(name: &str, access: Access, admit: Admit) -> Rule {
    let paths = Some(vec![PathPattern::parse(&format!("/{name}")).expect("a pattern")]);
    Rule {
        name: name.to_owned(),
        access,
        admit,
        passes_foreign: false,
        keeps_slashes: false,
        requests: Requests { paths, ..Requests::default() },
    }
}

/// `/staff` and `/eve` by e-mail, `/bob` by issuer, `/any` for any key; the rest for whom Magic knows.
fn gateway(stub: &testing::Magic, required: bool, more: Vec<Rule>) -> Gateway {
    let mut rules = vec![
        rule("staff", Access::Required, emails(&["*@example.com"])),
        rule("alice", Access::Required, emails(&["ALICE@example.COM", "x@example.com"])),
        rule("eve", Access::Required, emails(&["eve@example.com", "*@sub.example.com"])),
        rule("optional", Access::Optional, Admit::nobody()),
    ];
    rules.extend(more);
    let policy = Policy::new(rules, Rule::otherwise(Access::Required, Admit::Known));
    let config = Config { magic: Some(settings(required)), policy, ..config() };
    let magic = Magic::over(stub.api().expect("a key"));
    let sign_in = sign_in(&config, Some(&magic)).expect("there is [magic]");
    Gateway::with_magic(config, Some(magic), |auth| auth.with_magic(sign_in))
}

async fn check(gateway: &Gateway, cookie: &str, path: &str) -> Answer {
    let request = get("/check/nginx")
        .header("x-original-method", "GET")
        .header("x-original-scheme", "https")
        .header("x-original-host", "app.example.com")
        .header("x-original-uri", path);
    gateway.send(PROXY, empty(with_cookie(request, cookie))).await
}

async fn check_token(gateway: &Gateway, token: &str, path: &str) -> Answer {
    let request = get(&format!("/check/envoy{path}")).header("x-forwarded-proto", "https");
    gateway.send(PROXY, empty(bearer(request, token))).await
}

#[tokio::test]
async fn whom_magic_knows_passes_with_their_e_mail_address() {
    let stub = stub();
    let gateway = gateway(&stub, true, Vec::new());
    let cookie = gateway.sign_in(&alice()).await;
    for path in ["/", "/staff", "/alice", "/optional"] {
        let answer = check(&gateway, &cookie, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert_eq!(answer.header("x-auth-email"), Some("Alice@example.com"), "{path}");
    }
    assert_eq!(check(&gateway, &cookie, "/eve").await.status, StatusCode::FORBIDDEN);
    let answer = gateway.send(PROXY, empty(with_cookie(get("/auth/session"), &cookie))).await;
    assert_eq!(answer.json()["email"], "Alice@example.com");
    assert_eq!(stub.calls(), 1);
}

/// Upstreams read headers as ASCII, as Latin-1 or as UTF-8: only in ASCII do they read the same address.
#[tokio::test]
async fn an_address_beyond_ascii_is_told_to_nobody() {
    let stub = stub();
    stub.add_user(TestUser::new(alice().issuer()).email("älice@example.com"));
    let gateway = gateway(&stub, true, Vec::new());
    let cookie = gateway.sign_in(&alice()).await;
    let answer = check(&gateway, &cookie, "/").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("x-auth-email"), Some(""));
    assert_eq!(check(&gateway, &cookie, "/staff").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_made_up_key_is_refused_at_sign_in_and_with_a_token() {
    let stub = stub();
    let gateway = gateway(&stub, true, Vec::new());
    let token = gateway.token(&bob());
    let answer = gateway.send(PROXY, empty(bearer(post("/auth/login"), &token))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.json()["error"], "unknown_user");
    for path in ["/", "/staff", "/optional"] {
        let answer = check_token(&gateway, &token, path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.header("x-auth-issuer"), None);
    }
}

#[tokio::test]
async fn where_a_rule_admits_any_key_others_do_not() {
    let stub = stub();
    let issuers = HashSet::from([bob().issuer()]);
    let more = vec![
        rule("any", Access::Required, Admit::AnyKey),
        rule("bob", Access::Required, Admit::Listed(Arc::new(issuers.into()))),
    ];
    let gateway = gateway(&stub, true, more);
    let cookie = gateway.sign_in(&bob()).await;
    for (path, status) in
        [("/any", 200), ("/bob", 200), ("/", 403), ("/staff", 403), ("/alice", 403)]
    {
        assert_eq!(check(&gateway, &cookie, path).await.status.as_u16(), status, "{path}");
        let token = gateway.token(&bob());
        assert_eq!(check_token(&gateway, &token, path).await.status.as_u16(), status, "{path}");
    }
    let answer = check(&gateway, &cookie, "/any").await;
    assert_eq!(answer.header("x-auth-email"), Some(""), "the header is always there");
}

#[tokio::test(start_paused = true)]
async fn while_magic_is_down_sign_ins_are_503_or_wait_for_the_profile() {
    let stub = stub();
    stub.fail_always(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    let strict = gateway(&stub, true, Vec::new());
    let request = bearer(post("/auth/login"), &strict.token(&alice()));
    let answer = strict.send(PROXY, empty(request)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.header("retry-after").is_some());

    let lenient = gateway(&stub, false, Vec::new());
    let cookie = lenient.sign_in(&alice()).await;
    assert_eq!(check(&lenient, &cookie, "/optional").await.status, StatusCode::OK);
    for path in ["/", "/staff"] {
        // nginx takes no other refusals than 401 and 403.
        let answer = check_token(&lenient, &lenient.token(&alice()), path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_ne!(check(&lenient, &cookie, path).await.status, StatusCode::OK, "{path}");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    stub.fail_always(None);
    lenient.clock.advance(Duration::from_secs(11));
    check(&lenient, &cookie, "/").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(check(&lenient, &cookie, "/staff").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn whom_magic_no_longer_knows_passes_no_more_where_users_or_addresses_are_asked_for() {
    let stub = stub();
    let gateway = gateway(&stub, true, Vec::new());
    let cookie = gateway.sign_in(&alice()).await;
    stub.remove_user(alice().issuer());
    gateway.clock.advance(Duration::from_secs(3600));
    assert_eq!(check(&gateway, &cookie, "/staff").await.status, StatusCode::OK, "not asked yet");
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for path in ["/", "/staff", "/alice"] {
            let answer = check(&gateway, &cookie, path).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}: {answer:?}");
        }
        let answer = check(&gateway, &cookie, "/optional").await;
        assert_eq!(answer.header("x-auth-email"), Some(""), "the address of before");
        gateway.clock.advance(Duration::from_secs(11));
    }
    // There is no session of theirs at Magic that could be ended.
    let sign_out = with_cookie(post("/auth/logout"), &cookie);
    assert_eq!(gateway.send(PROXY, empty(sign_out)).await.status, StatusCode::NO_CONTENT);
    assert!(stub.signed_out().is_empty());
}

#[tokio::test(start_paused = true)]
async fn signing_out_ends_the_own_session_first_and_magics_too() {
    let stub = stub();
    let gateway = gateway(&stub, true, Vec::new());
    for fault in [None, Some(Fault::Reset)] {
        let failed = fault.is_some();
        let cookie = gateway.sign_in(&alice()).await;
        stub.fail_always(fault);
        let before = stub.signed_out().len();
        let sign_out = with_cookie(post("/auth/logout"), &cookie);
        let answer = gateway.send(PROXY, empty(sign_out)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(stub.signed_out().len() - before, usize::from(!failed));
        assert_eq!(check(&gateway, &cookie, "/").await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test(start_paused = true)]
async fn the_audience_is_asked_for_until_magic_says_it_or_refuses_the_key() {
    let stub = stub();
    let magic = Magic::over(stub.api().expect("a key"));
    for _ in 0..5 {
        stub.fail_next(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR));
    }
    assert_eq!(audience(&magic).await.expect("an id"), Audiences::from("did:magic:gateway-test"));
    assert_eq!(stub.calls(), 6);
    for fault in [Fault::Status(StatusCode::UNAUTHORIZED), Fault::Body("{}".to_owned())] {
        stub.fail_next(fault);
        audience(&magic).await.expect_err("no audience");
    }
}
