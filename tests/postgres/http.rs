//! The store behind the layer: what a browser sees while PostgreSQL is away.

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderName, Request, Response, StatusCode};
use axum::routing::get;
use tower::ServiceExt;
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, DidAuth, OnceOnly, PostgresStore, Session, Verifier};

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::eventually;

async fn whoami(session: Session) -> String {
    session.issuer().to_string()
}

fn app(store: &PostgresStore) -> Router {
    let auth = DidAuth::new(Verifier::new("app")).with_store(store.clone());
    Router::new().route("/", get(whoami)).layer(auth.layer())
}

async fn call(app: &Router, name: HeaderName, value: &str) -> Response<Body> {
    let request = Request::get("/").header(HOST, "example.com").header(name, value);
    app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_cookies_are_kept_and_then_work_again() {
    needs_postgres!();
    let mut server = Server::start();
    let store = migrated(&server).await;
    let app = app(&store);
    let token = Wallet::from_seed("alice").token("app").mint();
    let response = call(&app, AUTHORIZATION, &format!("Bearer {token}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    assert_eq!(call(&app, COOKIE, &cookie).await.status(), StatusCode::OK);

    server.kill();
    let away = async || call(&app, COOKIE, &cookie).await;
    eventually(async || away().await.status() != StatusCode::OK).await;
    let fresh = Wallet::from_seed("bob").token("app").mint();
    let responses = [away().await, call(&app, AUTHORIZATION, &format!("Bearer {fresh}")).await];
    for response in responses {
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(response.headers().contains_key(RETRY_AFTER));
        assert!(!response.headers().contains_key(SET_COOKIE));
    }

    server.boot();
    eventually(async || away().await.status() == StatusCode::OK).await;
    // A service that was started meanwhile knows the session too.
    let other = PostgresStore::open(server.url()).expect("a store");
    assert_eq!(call(&self::app(&other), COOKIE, &cookie).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_is_who_reaches_postgresql() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let new = || DidAuth::new(Verifier::new("app"));
    let auths =
        vec![new().with_store(store.clone()), new().with_store(OnceOnly::new(store.clone()))];
    for auth in &auths {
        assert!(auth.ready().await.is_ok(), "{auth:?}");
    }
    // Connections stay, nobody answers: only the time limit tells.
    server.pause();
    for auth in &auths {
        let answer = auth.ready().await;
        assert!(matches!(answer, Err(tower_didt::StoreError::Unavailable(_))), "{answer:?}");
    }
    server.resume();
    for auth in &auths {
        eventually(async || auth.ready().await.is_ok()).await;
    }
}

/// Two keys sign the value of one challenge.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_challenge_signs_in_once_whoever_brings_it() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let auth = DidAuth::new(Verifier::new("app"))
        .with_store(store)
        .with_bound_login(BoundLogin::required());
    let challenge = auth.challenge().expect("a challenge");
    let cookie = challenge.set_cookie().to_str().expect("ASCII").split(';').next().expect("one");
    let app = Router::new().route("/", get(whoami)).layer(auth.layer());
    let mut statuses = Vec::new();
    for seed in ["alice", "bob", "alice"] {
        let token = Wallet::from_seed(seed).token("app").attachment(challenge.value()).mint();
        let request = Request::get("/").header(HOST, "example.com").header(COOKIE, cookie);
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).expect("a request");
        statuses.push(app.clone().oneshot(request).await.expect("infallible").status());
    }
    assert_eq!(statuses, [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED]);
}
