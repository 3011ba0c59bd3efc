//! What visitors see while something befalls the server: requests with a cookie and sign-ins, all the
//! time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderName, Request, Response, StatusCode};
use axum::routing::get;
use tokio::task::JoinHandle;
use tower::ServiceExt;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, PostgresStore, Session, Verifier};

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::eventually;

/// How long each fault lasts.
const FAULT: Duration = Duration::from_secs(2);

/// Robust on a busy machine; the figures are printed.
const LIMIT: Duration = Duration::from_millis(1_500);

fn app(store: PostgresStore) -> Router {
    let auth = DidAuth::new(Verifier::new("app")).with_store(store);
    let handler = |session: Session| async move { session.issuer().to_string() };
    Router::new().route("/", get(handler)).layer(auth.layer())
}

async fn ask(app: &Router, name: HeaderName, value: &str) -> Response<Body> {
    let request = Request::get("/").header(HOST, "example.com").header(name, value);
    app.clone().oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible")
}

async fn sign_in(app: &Router, seed: &str) -> Response<Body> {
    let token = Wallet::from_seed(seed).token("app").mint();
    ask(app, AUTHORIZATION, &format!("Bearer {token}")).await
}

fn cookie_of(response: &Response<Body>) -> String {
    let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
    cookie.split(';').next().expect("a pair").to_owned()
}

#[derive(Default)]
struct Seen {
    answered: usize,
    unavailable: usize,
    longest: Duration,
    /// Of those who signed in.
    cookies: Vec<String>,
}

/// A visitor who comes again and again until it is said to stop.
fn visit(app: Router, cookie: Option<String>, stop: Arc<AtomicBool>) -> JoinHandle<Seen> {
    tokio::spawn(async move {
        let (mut seen, mut visits) = (Seen::default(), 0);
        while !stop.load(Ordering::Relaxed) {
            let begin = Instant::now();
            visits += 1;
            let response = match &cookie {
                Some(cookie) => ask(&app, COOKIE, cookie).await,
                None => sign_in(&app, &format!("visitor {visits}")).await,
            };
            seen.longest = seen.longest.max(begin.elapsed());
            match response.status() {
                StatusCode::OK => {
                    seen.answered += 1;
                    if cookie.is_none() {
                        seen.cookies.push(cookie_of(&response));
                    }
                }
                StatusCode::SERVICE_UNAVAILABLE => {
                    seen.unavailable += 1;
                    assert!(response.headers().contains_key(RETRY_AFTER));
                    assert!(!response.headers().contains_key(SET_COOKIE), "the cookie is kept");
                }
                other => panic!("{other}: neither an answer nor a 503"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        seen
    })
}

async fn meanwhile(name: &str, befall: impl FnOnce(&mut Server), mend: impl FnOnce(&mut Server)) {
    let mut server = Server::start();
    let store = migrated(&server).await;
    let strict = PostgresStore::builder(server.url()).with_local_copies(0).open();
    let (app, strict) = (app(store), app(strict.expect("a store")));
    let cookie = cookie_of(&sign_in(&app, "alice").await);
    let revoked = cookie_of(&sign_in(&app, "bob").await);
    server.sql("DELETE FROM didt.sessions WHERE number = (SELECT max(number) FROM didt.sessions)");
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = [
        visit(app.clone(), Some(cookie.clone()), Arc::clone(&stop)),
        visit(strict.clone(), Some(cookie.clone()), Arc::clone(&stop)),
        visit(app.clone(), None, Arc::clone(&stop)),
    ];
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::task::block_in_place(|| befall(&mut server));
    tokio::time::sleep(FAULT).await;
    tokio::task::block_in_place(|| mend(&mut server));
    let back = Instant::now();
    eventually(async || ask(&strict, COOKIE, &cookie).await.status() == StatusCode::OK).await;
    eventually(async || sign_in(&app, "carol").await.status() == StatusCode::OK).await;
    let back = back.elapsed();
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    for (who, visitor) in ["hot", "asked", "sign-ins"].into_iter().zip(visitors) {
        let seen = visitor.await.expect("no wrong answer");
        println!(
            "{name}, {who}: {} answered, {} times 503, longest {:.0?}; back after {back:.0?}",
            seen.answered, seen.unavailable, seen.longest
        );
        assert!(seen.longest < LIMIT, "{name}, {who}: {:?}", seen.longest);
        assert!(seen.answered > 0);
        // Nothing that was answered is lost.
        for cookie in &seen.cookies {
            assert_eq!(ask(&strict, COOKIE, cookie).await.status(), StatusCode::OK, "{name}");
        }
    }
    assert_eq!(ask(&app, COOKIE, &revoked).await.status(), StatusCode::UNAUTHORIZED, "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_befalls_the_server_visitors_get_an_answer_or_a_503_in_time() {
    needs_postgres!();
    meanwhile("killed", Server::kill, Server::boot).await;
    meanwhile("paused", |server| server.pause(), |server| server.resume()).await;
    meanwhile("stopped", Server::stop, Server::boot).await;
    let lock = std::cell::RefCell::new(None);
    meanwhile(
        "table locked",
        |server| {
            *lock.borrow_mut() =
                Some(server.hold("BEGIN; LOCK TABLE didt.sessions IN ACCESS EXCLUSIVE MODE"));
        },
        |_| drop(lock.take()),
    )
    .await;
    let read_only = |value: &'static str| {
        move |server: &mut Server| {
            server.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
            server.sql("SELECT pg_reload_conf()");
        }
    };
    meanwhile("read-only", read_only("on"), read_only("off")).await;
}
