//! What a client is told when its request does not pass.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use tower_didt::store::{SessionData, SessionExpired};
use tower_didt::testing::Wallet;
use tower_didt::{Refusal, Rejection, TokenError};

use crate::support::{AUDIENCE, App, FaultyStore, START, bearer, empty, request, with_cookie};

#[tokio::test]
async fn without_credentials_the_challenge_names_no_error() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let answer = app.send(empty(request())).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"magic\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.set_cookies().is_empty());

    let answer = app.send_optional(empty(request())).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "nobody"));
    assert_eq!(store.calls(), 0, "a request without credentials never touches the store");
}

#[tokio::test]
async fn every_401_carries_a_challenge_and_only_tokens_get_an_error_word() {
    let app = App::new();
    let invalid = Some("Bearer realm=\"magic\", error=\"invalid_token\"");
    let plain = Some("Bearer realm=\"magic\"");
    let rows = [
        ("no credentials", empty(request()), plain),
        ("another scheme", empty(request().header("authorization", "Basic Zm9v")), plain),
        ("unknown cookie", with_cookie("x"), plain),
        ("empty token", bearer(""), invalid),
        ("malformed token", bearer("x"), invalid),
        ("8-bit token", empty(request().header("authorization", &b"Bearer \xff"[..])), invalid),
        ("huge token", bearer(&"A".repeat(100_000)), invalid),
    ];
    for (name, request, challenge) in rows {
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
    }
}

#[tokio::test]
async fn the_whole_reason_reaches_the_operator_and_the_client_learns_of_wrong_times_only() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let expired = alice.token(AUDIENCE).issued_at(START).lifespan(Duration::ZERO).mint();
    app.advance(1);
    let answer = app.send(bearer(&expired)).await;
    assert_eq!(answer.body, "{\"error\":\"invalid_token\",\"reason\":\"expired\"}\n");
    let early = alice.token(AUDIENCE).issued_at(START.plus(Duration::from_secs(3_600))).mint();
    let body = app.send(bearer(&early)).await.body;
    assert_eq!(body, "{\"error\":\"invalid_token\",\"reason\":\"not_yet_valid\"}\n");
    for silent in ["x".to_owned(), alice.token("did:magic:other").issued_at(START).mint()] {
        assert_eq!(app.send(bearer(&silent)).await.body, "{\"error\":\"invalid_token\"}\n");
    }
    let reason = answer.extensions.get::<Rejection>().expect("the reason as an extension");
    assert!(matches!(reason, Rejection::InvalidToken(TokenError::Expired { .. })), "{reason}");
}

#[tokio::test]
async fn a_reason_leads_to_its_cause() {
    use std::error::Error;

    let store = FaultyStore::default();
    store.set_down(true);
    let app = App::new().with(|auth| auth.with_store(store));
    let bad_token = app.send(bearer("nonsense")).await;
    let rejection = bad_token.extensions.get::<Rejection>().expect("a reason");
    assert!(rejection.source().is_some_and(<dyn Error>::is::<TokenError>), "{rejection}");

    let down = app.send(with_cookie("x")).await;
    let rejection = down.extensions.get::<Rejection>().expect("a reason");
    let cause = rejection.source().and_then(Error::source).expect("the connection's own");
    assert_eq!(cause.to_string(), "connection refused");

    let unusable = SessionData::new(&HashMap::from([(vec![0], 0)])).expect_err("no JSON key");
    let expired = Rejection::SessionExpired(SessionExpired::Idle);
    assert!(expired.source().is_some_and(<dyn Error>::is::<SessionExpired>));
    assert!(Rejection::UnusableSessionData(Arc::new(unusable)).source().is_some());

    let none = app.send(empty(request())).await;
    assert!(none.extensions.get::<Rejection>().expect("a reason").source().is_none());
}

#[tokio::test]
async fn with_debug_reasons_the_client_learns_the_reason_and_the_rest_stays() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let debugging = App::new().with(|auth| auth.with_debug_reasons(true));
    let expired = alice.token(AUDIENCE).issued_at(START).lifespan(Duration::ZERO).mint();
    app.advance(1);
    debugging.advance(1);
    let (plain, told) = (app.send(bearer(&expired)).await, debugging.send(bearer(&expired)).await);
    let body: serde_json::Value = serde_json::from_str(&told.body).expect("JSON");
    let reason = told.extensions.get::<Rejection>().expect("the reason as an extension");
    let expected = serde_json::json!({
        "error": "invalid_token",
        "reason": "expired",
        "error_description": reason.to_string(),
    });
    assert_eq!(body, expected);
    assert_eq!(told.status, plain.status);
    assert_eq!(told.header("www-authenticate"), plain.header("www-authenticate"));
    assert!(!told.body.contains(&expired), "never the token itself");

    let grpc =
        |debug| App::new().with(move |auth| auth.with_grpc_rejections().with_debug_reasons(debug));
    let answer = grpc(true).send(bearer("x")).await;
    assert_eq!(answer.header("grpc-message"), Some("malformed"));
    assert_eq!(grpc(false).send(bearer("x")).await.header("grpc-message"), Some("invalid_token"));
}

/// Every sentence is JSON, short, and without the token, whatever the token says.
#[tokio::test]
async fn with_debug_reasons_a_hostile_token_breaks_neither_json_nor_bounds() {
    let app = App::new().with(|auth| auth.with_debug_reasons(true));
    let alice = Wallet::from_seed("alice");
    let aimed = |audience: &str| alice.token(audience).issued_at(START).mint();
    let rows = [
        ("audience_mismatch", aimed("\",\"reason\":\"none\"}\r\nX: y\0\u{202e}</script>")),
        ("audience_mismatch", aimed(&"\u{1f512}".repeat(1000))),
        ("audience_mismatch", aimed("")),
        ("malformed", String::new()),
        ("malformed", "=".repeat(7000)),
        ("malformed", "A".repeat(100_000)),
    ];
    for (reason, token) in rows {
        let answer = app.send(bearer(&token)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let body: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(body["reason"], reason, "{body}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(3), "{body}");
        assert!(answer.body.len() < 2000, "{} bytes", answer.body.len());
        assert!(token.is_empty() || !answer.body.contains(&token), "never the token itself");
    }
}

#[tokio::test]
async fn with_debug_reasons_a_store_that_is_down_is_named_and_a_hooks_refusal_stays() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_debug_reasons(true).with_store(store.clone()));
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    store.set_down(true);
    let answer = app.send(with_cookie(&ticket)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(answer.set_cookies().is_empty(), "the cookie stays");
    assert!(answer.body.contains("\"store_unavailable\""), "{}", answer.body);
    assert!(!answer.body.contains(&ticket), "never the cookie itself");

    let refusing = |debug| {
        App::new().with(move |auth| {
            auth.with_debug_reasons(debug).with_on_login(|_| async {
                Err::<(), _>(Refusal::from((StatusCode::FORBIDDEN, "no")))
            })
        })
    };
    let (plain, told) = (refusing(false), refusing(true));
    let token = plain.token(&Wallet::from_seed("alice"));
    let (plain, told) = (plain.send(bearer(&token)).await, told.send(bearer(&token)).await);
    assert_eq!((told.status, &told.body), (StatusCode::FORBIDDEN, &plain.body));
}

#[tokio::test]
async fn credentials_sent_twice_or_joined_are_a_bad_request() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let token = app.token(&alice);
    let value = format!("Bearer {token}");
    let twice = request().header("authorization", &value).header("authorization", &value);
    let joined = request().header("authorization", format!("{value}, {value}"));
    for (name, request) in [("twice", empty(twice)), ("joined", empty(joined))] {
        for answer in [app.send(request.clone()).await, app.send_optional(request).await] {
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
            assert!(answer.header("www-authenticate").expect(name).contains("invalid_request"));
            assert!(answer.set_cookies().is_empty(), "{name}");
        }
    }
}

#[tokio::test]
async fn an_optional_layer_still_refuses_a_bad_token() {
    let app = App::new();
    assert_eq!(app.send_optional(bearer("x")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_application_can_answer_in_its_own_way_but_not_without_a_challenge() {
    let app = App::new().with(|auth| {
        auth.with_rejection_handler(|rejected| {
            if matches!(rejected.rejection(), Rejection::MissingCredentials) {
                let mut answer = rejected.into_answer();
                *answer.status_mut() = StatusCode::SEE_OTHER;
                answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/login"));
                return answer;
            }
            (rejected.into_answer().status(), "own words").into()
        })
    });
    let answer = app.send(empty(request())).await;
    assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, Some("/login")));
    let answer = app.send(bearer("x")).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::UNAUTHORIZED, "own words"));
    assert!(answer.header("www-authenticate").expect("a challenge").contains("invalid_token"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn the_realm_can_be_named_but_not_break_the_header() {
    let app = App::new().with(|auth| auth.with_realm("my shop").expect("a realm"));
    let answer = app.send(empty(request())).await;
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"my shop\""));
    for bad in ["a\"b", "a\\b", "a\r\nb", "ä"] {
        assert!(App::new().auth.with_realm(bad).is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn grpc_rejections_carry_the_reason_in_grpc_status() {
    let app = App::new().with(tower_didt::DidAuth::with_grpc_rejections);
    for (name, request, status) in
        [("none", empty(request()), "16"), ("bad token", bearer("x"), "16")]
    {
        let answer = app.send(request).await;
        assert_eq!(
            (answer.status, answer.header("grpc-status")),
            (StatusCode::OK, Some(status)),
            "{name}"
        );
        assert_eq!(answer.header("content-type"), Some("application/grpc"), "{name}");
    }
}
