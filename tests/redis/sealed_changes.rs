//! Data of a session that lives in its cookie is changed while the ledger fails.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderName, Request, StatusCode};
use axum::routing::{get, post};
use tower::ServiceExt;
use tower_didt::layer::DataError;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, RedisStore, Refusal, SealedStore, SealingKeys, Session, Verifier};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::sessions::eventually;

/// Robust on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

/// A machine that counts in the data of its sessions.
struct Machine(Router);

/// What a browser is told.
struct Told {
    status: StatusCode,
    body: String,
    cookie: Option<String>,
    retry_after: bool,
    took: Duration,
}

impl Machine {
    fn new(keys: &SealingKeys, ledger: RedisStore) -> Self {
        async fn add(session: Session) -> Result<String, DataError> {
            let count = session.modify_data(|count: Option<u32>| count.unwrap_or_default() + 1);
            Ok(count.await?.to_string())
        }
        async fn read(session: Session) -> String {
            session.require_data::<u32>().expect("a number").to_string()
        }
        let auth = DidAuth::new(Verifier::new("app"))
            .with_store(SealedStore::new(keys.clone(), ledger))
            .with_on_sign_in(|_| async { Ok::<_, Refusal>(1) });
        let routes = Router::new().route("/", get(read)).route("/add", post(add));
        Self(routes.layer(auth.layer()))
    }

    async fn call(&self, method: &str, path: &str, name: HeaderName, value: &str) -> Told {
        let request = Request::builder().method(method).uri(path).header(HOST, "example.com");
        let request = request.header(name, value).body(Body::empty()).expect("a request");
        let begin = Instant::now();
        let response = self.0.clone().oneshot(request).await.expect("infallible");
        let took = begin.elapsed();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        let cookie = head.headers.get(SET_COOKIE).map(|cookie| {
            let cookie = cookie.to_str().expect("ASCII");
            cookie.split(';').next().expect("a pair").to_owned()
        });
        Told {
            status: head.status,
            body: String::from_utf8(body.to_vec()).expect("text"),
            cookie,
            retry_after: head.headers.contains_key(RETRY_AFTER),
            took,
        }
    }

    /// A new session, whose data has been changed once: its count is 2.
    async fn begin(&self) -> String {
        let token = Wallet::from_seed("alice").token("app").mint();
        let told = self.call("GET", "/", AUTHORIZATION, &format!("Bearer {token}")).await;
        let told = self.add(&told.cookie.expect("a cookie")).await;
        assert_eq!((told.status, &*told.body), (StatusCode::OK, "2"));
        told.cookie.expect("the new data")
    }

    async fn add(&self, cookie: &str) -> Told {
        self.call("POST", "/add", COOKIE, cookie).await
    }

    async fn read(&self, cookie: &str) -> Told {
        self.call("GET", "/", COOKIE, cookie).await
    }

    /// Each try is a 503 in time, and the browser keeps its cookie.
    async fn fails(&self, cookie: &str) {
        for _ in 0..3 {
            let told = self.add(cookie).await;
            assert_eq!(told.status, StatusCode::SERVICE_UNAVAILABLE, "{}", told.body);
            assert!(told.took < LIMIT, "{:?}", told.took);
            assert!(told.retry_after && told.cookie.is_none());
        }
    }

    /// Once the ledger answers again: the browser's cookie opens the session with the data that it has.
    /// That can be changed, once, if none of the tries was carried out; and not at all if one was,
    /// whose cookie nobody has.
    async fn goes_on(&self, cookie: &str, was_done: bool) {
        eventually(async || self.read(cookie).await.status == StatusCode::OK).await;
        assert_eq!(self.read(cookie).await.body, "2");
        let told = self.add(cookie).await;
        if was_done {
            assert_eq!(told.status, StatusCode::CONFLICT);
            assert!(told.cookie.is_none());
            // Until the next sign-in.
            let again = self.begin().await;
            assert_eq!(self.add(&again).await.body, "3");
        } else {
            assert_eq!((told.status, &*told.body), (StatusCode::OK, "3"));
            let new = told.cookie.expect("the new data");
            assert_eq!(self.read(&new).await.body, "3");
            assert_eq!(self.add(&new).await.body, "4");
        }
        // What it was made from makes no second one.
        assert_eq!(self.add(cookie).await.status, StatusCode::CONFLICT);
        assert_eq!(self.read(cookie).await.body, "2");
    }
}

/// The newest version of the only session whose data was changed.
fn version_in(server: &Server) -> String {
    let keys = server.cli(&["keys", "*:v:*"]);
    server.cli(&["get", keys.trim()])
}

fn persistent() -> Server {
    Server::with(&["--appendonly", "yes", "--appendfsync", "always"])
}

async fn machine(url: String) -> Machine {
    let keys = SealingKeys::generate().expect("randomness");
    Machine::new(&keys, RedisStore::connect(url).await.expect("a store"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_is_killed_a_change_in_a_cookie_fails_in_time_and_is_made_once() {
    needs_redis!();
    let mut server = persistent();
    let machine = machine(server.url()).await;
    let cookie = machine.begin().await;
    server.kill();
    machine.fails(&cookie).await;
    server.boot();
    eventually(async || machine.read(&cookie).await.status == StatusCode::OK).await;
    assert_eq!(version_in(&server), "1", "nothing reached it");
    machine.goes_on(&cookie, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_has_no_memory_a_change_in_a_cookie_fails_in_time_and_is_made_once() {
    needs_redis!();
    let server = Server::start();
    let machine = machine(server.url()).await;
    let cookie = machine.begin().await;
    server.cli(&["config", "set", "maxmemory", "1"]);
    machine.fails(&cookie).await;
    server.cli(&["config", "set", "maxmemory", "0"]);
    assert_eq!(version_in(&server), "1", "it was refused");
    machine.goes_on(&cookie, false).await;
}

/// It reads what was sent when it goes on, long after the browser was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_ledger_is_paused_a_change_in_a_cookie_fails_in_time_and_is_never_made_twice() {
    needs_redis!();
    let server = Server::start();
    let machine = machine(server.url()).await;
    let cookie = machine.begin().await;
    server.pause();
    machine.fails(&cookie).await;
    server.resume();
    eventually(async || machine.read(&cookie).await.status == StatusCode::OK).await;
    let version = version_in(&server);
    assert!(
        matches!(&*version, "1" | "2"),
        "of three tries one was carried out at most: {version}"
    );
    machine.goes_on(&cookie, version == "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_in_a_cookie_whose_answer_is_lost_is_not_sent_again() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let patient = RedisStore::builder(proxy.url()).with_timeout(Duration::from_secs(10));
    let keys = SealingKeys::generate().expect("randomness");
    let machine = Machine::new(&keys, patient.connect().await.expect("a store"));
    let cookie = machine.begin().await;
    let has_done = async || version_in(&server) == "2";
    let told = async {
        let told = machine.add(&cookie).await;
        match told.status {
            StatusCode::SERVICE_UNAVAILABLE if told.cookie.is_none() => Err(told.body),
            status => Ok(status),
        }
    };
    proxy.lose_answer(b":v:", told, has_done).await.expect_err("no answer, no cookie");
    eventually(async || machine.read(&cookie).await.status == StatusCode::OK).await;
    assert_eq!(version_in(&server), "2", "sent once");
    machine.goes_on(&cookie, true).await;
}
