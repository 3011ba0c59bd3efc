//! From 401 to the page: who is redirected, with which way back.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tower_didt::testing::FixedClock;
use tower_didt::{ConfigError, Lifetimes, Refusal, Session, SessionCookie, Timestamp};

use crate::support::{BROWSER, SCRIPT, and, app, ask, auth, sign_in};

#[tokio::test]
async fn a_stranger_who_opens_a_page_is_sent_to_sign_in_and_back() {
    let auth = auth();
    let app = app(&auth);
    let sent = ask(&app, "GET", "/me?tab=a%20b&x=1+1", BROWSER).await;
    assert_eq!(sent.status, StatusCode::FOUND);
    assert_eq!(sent.header("location"), "/auth/sign-in?rd=/me?tab=a%2520b%26x=1%2B1");
    assert_eq!(sent.header("cache-control"), "no-store");
    assert_eq!(sent.header("www-authenticate"), "");
    assert!(sent.headers.get("set-cookie").is_none());

    let cookie = sign_in(&app).await;
    let back =
        ask(&app, "GET", sent.header("location"), &and(BROWSER, &[("cookie", &cookie)])).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER);
    assert_eq!(back.header("location"), "/me?tab=a%20b&x=1+1");
    let home =
        ask(&app, "GET", back.header("location"), &and(BROWSER, &[("cookie", &cookie)])).await;
    assert_eq!(home.status, StatusCode::OK);
}

#[tokio::test]
async fn a_script_and_a_form_get_the_401_that_they_got_before() {
    let app = app(&auth());
    for (method, headers) in [("GET", SCRIPT), ("POST", BROWSER), ("POST", SCRIPT)] {
        let answer = ask(&app, method, "/me", headers).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method}");
        assert_eq!(answer.header("www-authenticate"), r#"Bearer realm="magic""#);
        assert_eq!(answer.header("location"), "");
    }
    let bad = and(BROWSER, &[("authorization", "Bearer nonsense")]);
    assert_eq!(ask(&app, "GET", "/me", &bad).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_has_a_dead_cookie_is_sent_too_and_the_cookie_is_taken_away_on_the_way() {
    let clock = FixedClock::at(Timestamp::from_secs(4_000_000_000));
    let auth =
        auth().with_lifetimes(Lifetimes::new(Duration::from_secs(60))).with_clock(clock.clone());
    let app = app(&auth);
    let alice = tower_didt::testing::Wallet::from_seed("alice");
    let expired = tower_didt::testing::sign_in(&auth, &alice).await;
    clock.advance(Duration::from_secs(61));
    for dead in [expired.to_str().unwrap(), "__Host-didt=unknown"] {
        let sent = ask(&app, "GET", "/me", &and(BROWSER, &[("cookie", dead)])).await;
        assert_eq!(sent.status, StatusCode::FOUND, "{dead}");
        assert!(sent.header("set-cookie").starts_with("__Host-didt=; "), "{dead}");
        assert!(sent.header("set-cookie").contains("Max-Age=0"));
        assert_eq!(sent.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_way_back_that_could_be_read_in_two_ways_is_left_out() {
    let app: Router = Router::new()
        .route("/{*path}", get(async || ""))
        .layer(auth().layer().redirecting_to("/auth/sign-in").unwrap());
    let long = format!("/{}", "a".repeat(2048));
    for path in ["//evil.example", "/a//b", "/a;b", "/a/../b", "/a%2fb", "/%41", &long] {
        let sent = ask(&app, "GET", path, BROWSER).await;
        assert_eq!(sent.header("location"), "/auth/sign-in", "{path}");
    }
}

#[tokio::test]
async fn the_page_itself_is_never_redirected_to_itself() {
    let app: Router = Router::new()
        .route("/auth/sign-in", get(async || "guarded by mistake"))
        .layer(auth().layer().redirecting_to("/auth/sign-in").unwrap());
    let answer = ask(&app, "GET", "/auth/sign-in?rd=/auth/sign-in", BROWSER).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_page_on_another_host_is_given_a_whole_url_as_the_way_back() {
    let url = "https://auth.example/sign-in";
    let app = |auth: tower_didt::DidAuth| {
        Router::new()
            .route("/me", get(async || ""))
            .layer(auth.layer().redirecting_to(url).unwrap())
    };
    let sent = ask(&app(auth()), "GET", "/me?x", BROWSER).await;
    assert_eq!(sent.header("location"), format!("{url}?rd=https://app.example/me?x"));
    let sent = ask(&app(auth()), "GET", "https://two.example/me", BROWSER).await;
    assert_eq!(sent.header("location"), format!("{url}?rd=https://two.example/me"));
    let plain = auth().with_cookie(SessionCookie::default().insecure_over_http());
    let sent = ask(&app(plain), "GET", "/me", BROWSER).await;
    assert_eq!(sent.header("location"), format!("{url}?rd=http://app.example/me"));
    let odd = and(&BROWSER[1..], &[("host", "user@evil.example")]);
    assert_eq!(ask(&app(auth()), "GET", "/me", &odd).await.header("location"), url);
}

#[test]
fn a_sign_in_page_is_a_path_or_an_https_url_in_canonical_form() {
    let layer = || auth().layer();
    for good in
        ["/sign-in", "/auth/sign-in", "https://auth.example/sign-in", "http://localhost:3000/in"]
    {
        assert!(layer().redirecting_to(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "sign-in",
        "//evil.example",
        "/\\evil",
        "/a/../b",
        "/sign-in?x",
        "/sign in",
        "http://auth.example/",
        "https://auth.example",
        "https://user@auth.example/",
        "https://AUTH.example/",
        "javascript:alert(1)",
        "https:///x",
    ] {
        let refused = layer().redirecting_to(bad);
        assert_eq!(refused.err(), Some(ConfigError::InvalidSignInPage), "{bad}");
    }
}

/// An extractor behind an optional layer rejects too.
#[tokio::test]
async fn a_handler_that_needs_a_session_sends_people_too_and_a_shown_session_nobody() {
    let auth = auth();
    let app: Router = Router::new()
        .route("/me", get(async |session: Session| session.issuer().to_string()))
        .layer(auth.layer().optional().redirecting_to("/auth/sign-in").unwrap());
    let sent = ask(&app, "GET", "/me", BROWSER).await;
    assert_eq!((sent.status, sent.header("location")), (StatusCode::FOUND, "/auth/sign-in?rd=/me"));
    assert_eq!(ask(&app, "GET", "/me", SCRIPT).await.status, StatusCode::UNAUTHORIZED);
    let alice = tower_didt::testing::Wallet::from_seed("alice");
    let cookie = tower_didt::testing::sign_in(&auth, &alice).await;
    let signed_in = and(BROWSER, &[("cookie", cookie.to_str().unwrap())]);
    assert_eq!(ask(&app, "GET", "/me", &signed_in).await.status, StatusCode::OK);
}

/// The store knows nothing of them: they may well be signed in.
#[tokio::test]
async fn nobody_is_sent_away_while_the_store_is_down_or_by_a_hook_that_refuses() {
    let refusing = auth().with_on_sign_in(async |_| Err::<(), _>(Refusal::unavailable()));
    let app = app(&refusing);
    let token =
        tower_didt::testing::Wallet::from_seed("alice").token(crate::support::AUDIENCE).mint();
    let bearer = format!("Bearer {token}");
    let answer = ask(&app, "GET", "/me", &and(BROWSER, &[("authorization", &bearer)])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("location"), "");
}

#[tokio::test]
async fn a_nested_router_does_not_shorten_the_way_back_of_the_layer_around_it() {
    let members =
        Router::new().route("/list", get(async |session: Session| session.issuer().to_string()));
    let app = Router::new().nest("/admin", members);
    let required: Router =
        app.clone().layer(auth().layer().redirecting_to("/auth/sign-in").unwrap());
    let optional: Router =
        app.layer(auth().layer().optional().redirecting_to("/auth/sign-in").unwrap());
    for app in [required, optional] {
        let sent = ask(&app, "GET", "/admin/list?x", BROWSER).await;
        assert_eq!(sent.header("location"), "/auth/sign-in?rd=/admin/list?x");
    }
}
