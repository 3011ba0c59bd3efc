//! The store behind the layer: what a browser sees while Redis is away.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderName, Request, Response, StatusCode};
use axum::routing::get;
use tower::ServiceExt;
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, DidAuth, OnceOnly, RedisStore, Replay, Session, Verifier};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::sessions::eventually;

async fn whoami(session: Session) -> String {
    session.issuer().to_string()
}

fn app(store: &RedisStore) -> Router {
    let auth = DidAuth::new(Verifier::new("app")).with_store(store.clone());
    Router::new().route("/", get(whoami)).layer(auth.layer())
}

async fn call(app: &Router, name: HeaderName, value: &str) -> Response<Body> {
    let request = Request::get("/").header(HOST, "example.com").header(name, value);
    app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_cookies_are_kept_and_then_work_again() {
    needs_redis!();
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisStore::connect(server.url()).await.expect("a store");
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
    let other = RedisStore::open(server.url()).expect("a store");
    assert_eq!(call(&self::app(&other), COOKIE, &cookie).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ready_is_who_reaches_redis_whatever_it_serves_as() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let new = || DidAuth::new(Verifier::new("app"));
    let mut auths =
        vec![new().with_store(store.clone()), new().with_store(OnceOnly::new(store.clone()))];
    #[cfg(feature = "sealed")]
    {
        let keys = tower_didt::SealingKeys::generate().expect("randomness");
        auths.push(new().with_store(tower_didt::SealedStore::new(keys, store.clone())));
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_token_is_noted_for_as_long_as_an_older_one_could_come() {
    needs_redis!();
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let auth = DidAuth::new(Verifier::new("app"))
        .with_store(store)
        .with_replay(Replay::NewestOnly)
        .with_max_token_age(90 * DAY);
    let app = Router::new().route("/", get(whoami)).layer(auth.layer());
    // It lives for a quarter of an hour; one that was made before may live for 90 days.
    let token = Wallet::from_seed("alice").token("app").mint();
    let response = call(&app, AUTHORIZATION, &format!("Bearer {token}")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let key = server.cli(&["KEYS", "*:n"]);
    let kept: u64 = server.cli(&["TTL", key.trim()]).trim().parse().expect("seconds");
    assert!(kept > 89 * DAY.as_secs(), "{kept} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_can_never_be_read_locks_nobody_out() {
    needs_redis!();
    let server = Server::start();
    let strict = RedisStore::builder(server.url()).with_local_copies(0);
    let app = app(&strict.connect().await.expect("a store"));
    let fresh = || format!("Bearer {}", Wallet::from_seed("alice").token("app").mint());
    let cookie = async || {
        let response = call(&app, AUTHORIZATION, &fresh()).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        cookie.split(';').next().expect("a pair").to_owned()
    };
    let spoil_fields = |server: &Server| {
        let key = server.cli(&["keys", "*:s"]);
        for field in server.cli(&["hkeys", &key]).lines().filter(|field| *field != "#") {
            server.cli(&["hset", &key, field, "2 1 9 9 {}"]);
        }
    };
    let spoil_json = |server: &Server| {
        let key = server.cli(&["keys", "*:s"]);
        for field in server.cli(&["hkeys", &key]).lines().filter(|field| *field != "#") {
            let value = server.cli(&["hget", &key, field]);
            server.cli(&["hset", &key, field, &value[..value.len() - 5]]);
        }
    };
    let spoil_key = |server: &Server| {
        let key = server.cli(&["keys", "*:s"]);
        server.cli(&["del", &key]);
        server.cli(&["set", &key, "no hash"]);
    };
    let ways: [&dyn Fn(&Server); 3] = [&spoil_fields, &spoil_json, &spoil_key];
    for spoil in ways {
        // The cookie only: lost, and taken away.
        let lost = cookie().await;
        spoil(&server);
        let response = call(&app, COOKIE, &lost).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let cleared = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        assert!(cleared.contains("Max-Age=0"), "{cleared}");
        // A good token beside it signs in, under a new cookie that works.
        let lost = cookie().await;
        spoil(&server);
        let request = Request::get("/").header(HOST, "example.com").header(COOKIE, &lost);
        let request = request.header(AUTHORIZATION, fresh()).body(Body::empty());
        let response = app.clone().oneshot(request.expect("a request")).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        let new = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        let new = new.split(';').next().expect("a pair").to_owned();
        assert_ne!(new, lost);
        assert_eq!(call(&app, COOKIE, &new).await.status(), StatusCode::OK);
        // And so does one without it.
        spoil(&server);
        assert_eq!(call(&app, COOKIE, &cookie().await).await.status(), StatusCode::OK);
        server.cli(&["flushall"]);
    }
}

/// Two keys sign the value of one challenge, each in a slot of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_challenge_signs_in_once_whoever_brings_it() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
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
