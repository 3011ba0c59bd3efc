//! What a session in a server costs a request, in the process and to its user, beside the stores of
//! tower-sessions; and what a million of them cost PostgreSQL.
#![allow(clippy::expect_used, clippy::print_stdout, clippy::panic)]

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, SET_COOKIE};
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt;
use tower_didt::store::{NewSession, SessionStore, TokenMark};
use tower_didt::testing::Wallet;
use tower_didt::{
    Clock, Data, DidAuth, Login, PostgresStore, RedisStore, Refusal, SystemClock, Verifier,
};
use tower_didt_test_support::postgres::Server as Postgres;
use tower_didt_test_support::redis::Server as Redis;
use tower_sessions::SessionManagerLayer;
use tower_sessions_redis_store::RedisStore as PeerRedis;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, KeysInterface, Pool};
use tower_sessions_sqlx_store::PostgresStore as PeerPostgres;
use tower_sessions_sqlx_store::sqlx::PgPool;
use tower_sessions_sqlx_store::sqlx::postgres::PgPoolOptions;

/// Requests at a time.
const AT_A_TIME: usize = 16;

/// Rounds, one way after the other; the median counts.
const ROUNDS: usize = 5;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    match std::env::args().nth(1).as_deref() {
        Some("million") => runtime.block_on(million()),
        part => runtime.block_on(requests(part.unwrap_or_default())),
    }
}

/// One application, with a cookie for each of those who ask at a time: requests for one session might
/// share an answer.
#[derive(Default)]
struct Way {
    name: &'static str,
    app: Router,
    cookies: Vec<String>,
    requests: usize,
    rates: Vec<f64>,
    latencies: Vec<Duration>,
}

async fn ours(name: &'static str, store: impl SessionStore, requests: usize) -> Way {
    // As theirs: a text that the handler reads out of the session.
    let attach = |login: Login| async move { Ok::<_, Refusal>(login.issuer().to_string()) };
    let auth = DidAuth::new(Verifier::new("app")).with_store(store).with_on_sign_in(attach);
    let handler = |Data(user): Data<String>| async move { user };
    let app = Router::new().route("/", get(handler)).layer(auth.layer());
    let first = |user: usize| {
        let token = Wallet::from_seed(format!("{name} {user}")).token("app").mint();
        let request = Request::get("/").header(HOST, "example.com");
        let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        request.body(Body::empty()).expect("a request")
    };
    way(name, app, first, requests).await
}

async fn theirs<S>(name: &'static str, store: S, requests: usize) -> Way
where
    S: tower_sessions::SessionStore + Clone,
{
    let handler = |session: tower_sessions::Session| async move {
        match session.get::<String>("user").await.expect("an answer") {
            Some(user) => user,
            None => {
                let user = "did:ethr:0xde709f2102306220921060314715629080e2fb77".to_owned();
                session.insert("user", &user).await.expect("an answer");
                user
            }
        }
    };
    let layer = SessionManagerLayer::new(store);
    let app = Router::new().route("/", get(handler)).layer(layer);
    let first = |_| {
        let request = Request::get("/").header(HOST, "example.com").body(Body::empty());
        request.expect("a request")
    };
    way(name, app, first, requests).await
}

/// An application without sessions that asks a server the same question by a client itself: what is
/// left to save where sessions are.
async fn bare<F>(name: &'static str, ask: impl Fn() -> F + Clone + Send + Sync + 'static) -> Way
where
    F: Future<Output = String> + Send + 'static,
{
    let app = Router::new().route("/", get(move || ask()));
    let cookies = vec!["a=b".to_owned(); AT_A_TIME];
    Way { name, app, cookies, requests: 20_000, ..Way::default() }
}

async fn way(
    name: &'static str,
    app: Router,
    first: impl Fn(usize) -> Request<Body>,
    requests: usize,
) -> Way {
    let mut cookies = Vec::new();
    for user in 0..AT_A_TIME {
        let response = app.clone().oneshot(first(user)).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        let cookie = response.headers()[SET_COOKIE].to_str().expect("ASCII");
        cookies.push(cookie.split(';').next().expect("a pair").to_owned());
    }
    Way { name, app, cookies, requests, ..Way::default() }
}

async fn ask(name: &str, app: &Router, cookie: &str) {
    let request = Request::get("/").header(HOST, "example.com").header(COOKIE, cookie);
    let request = request.body(Body::empty()).expect("a request");
    let response = app.clone().oneshot(request).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK, "{name}");
    assert!(!response.headers().contains_key(SET_COOKIE), "{name}");
}

impl Way {
    async fn ask(&self, user: usize) {
        ask(self.name, &self.app, &self.cookies[user]).await;
    }

    async fn round(&mut self) {
        for user in 0..AT_A_TIME {
            self.ask(user).await;
        }
        let processor = processor_time();
        let each = self.requests / AT_A_TIME;
        let local = tokio::task::LocalSet::new();
        let (name, app, cookies) = (self.name, self.app.clone(), self.cookies.clone());
        local
            .run_until(async move {
                let tasks: Vec<_> = cookies
                    .into_iter()
                    .map(|cookie| {
                        let app = app.clone();
                        tokio::task::spawn_local(async move {
                            for number in 0..each {
                                ask(name, &app, &cookie).await;
                                // As a server does between requests that come.
                                if number % 16 == 0 {
                                    tokio::task::yield_now().await;
                                }
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.expect("no panic");
                }
            })
            .await;
        let spent = processor_time() - processor;
        self.rates.push((each * AT_A_TIME) as f64 / spent.as_secs_f64());
        // One at a time, for the latency.
        for number in 0..500 {
            let begin = Instant::now();
            self.ask(number % AT_A_TIME).await;
            self.latencies.push(begin.elapsed());
        }
    }

    fn report(&mut self) {
        self.rates.sort_by(f64::total_cmp);
        self.latencies.sort();
        let rate = self.rates[self.rates.len() / 2];
        println!(
            "| {} | {:.0} | {:.2} µs | {:.1} µs |",
            self.name,
            rate,
            1e6 / rate,
            self.latencies[self.latencies.len() / 2].as_secs_f64() * 1e6,
        );
    }
}

/// What the threads of this process took of processors: the first number of each `schedstat`, in
/// nanoseconds. (`/proc/self/stat` counts in 10 ms, a sixteenth of a round.)
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("/proc");
    let spent = threads.map(|thread| {
        let path = thread.expect("a thread").path().join("schedstat");
        let text = std::fs::read_to_string(path).expect("a kernel with schedstat");
        let spent = text.split(' ').next().expect("a number");
        Duration::from_nanos(spent.parse().expect("a number"))
    });
    spent.sum()
}

/// By `sqlx`, from a pool that does not try its connections: one prepared statement of the columns
/// of a session.
async fn by_sqlx(server: &Postgres) -> impl Fn() -> BoxFuture + Clone + Send + Sync + 'static {
    let options = sqlx::postgres::PgPoolOptions::new().test_before_acquire(false);
    let pool = options.connect(&server.url()).await.expect("a pool");
    let name = "SELECT issuer, handle FROM didt.sessions LIMIT 1";
    let name: (Vec<u8>, Vec<u8>) = sqlx::query_as(name).fetch_one(&pool).await.expect("a session");
    let select = "SELECT created_at, last_seen, expires_at, data FROM didt.sessions \
                  WHERE issuer = $1 AND handle = $2";
    move || -> BoxFuture {
        let (pool, (issuer, handle)) = (pool.clone(), name.clone());
        Box::pin(async move {
            let asking = sqlx::query_as(select).bind(issuer).bind(handle).fetch_one(&pool);
            let row: (f64, f64, f64, Option<String>) = asking.await.expect("a session");
            row.0.to_string()
        })
    }
}

/// The key of a hash that has a session, and the field.
fn name_in(server: &Redis) -> (String, String) {
    let key = server.cli(&["--scan", "--pattern", "didt:*:s"]);
    let key = key.lines().next().expect("an issuer").to_owned();
    let fields = server.cli(&["HKEYS", &key]);
    (key, fields.lines().next().expect("a session").to_owned())
}

/// By the client that `RedisStore` uses.
async fn by_redis(server: &Redis) -> impl Fn() -> BoxFuture + Clone + Send + Sync + 'static {
    let (key, field) = name_in(server);
    let client = redis::Client::open(server.url()).expect("a URL");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    let connection = connecting.await.expect("a connection");
    move || -> BoxFuture {
        let (mut connection, key, field) = (connection.clone(), key.clone(), field.clone());
        Box::pin(async move {
            let asking = redis::cmd("HGET").arg(key).arg(field).query_async(&mut connection).await;
            asking.expect("a session")
        })
    }
}

/// By the client and the pool that `tower-sessions-redis-store` uses here, and for what it asks.
fn by_fred(server: &Redis, pool: Pool) -> impl Fn() -> BoxFuture + Clone + Send + Sync + 'static {
    let keys = server.cli(&["--scan"]);
    let key = keys.lines().find(|key| !key.starts_with("didt:")).expect("a session").to_owned();
    move || -> BoxFuture {
        let (pool, key) = (pool.clone(), key.clone());
        Box::pin(async move {
            let record: Vec<u8> = pool.get(key).await.expect("a session");
            record.len().to_string()
        })
    }
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = String> + Send>>;

/// Those ways whose names have this part.
async fn requests(part: &str) {
    let (postgres, redis) = (Postgres::start(), Redis::start());
    let store = PostgresStore::open(postgres.url()).expect("a store");
    store.migrate().await.expect("a schema");
    let cold = PostgresStore::builder(postgres.url()).with_local_copies(0);
    let cold_redis = RedisStore::builder(redis.url()).with_local_copies(0);
    let pool = PgPool::connect(&postgres.url()).await.expect("a pool");
    let peer = PeerPostgres::new(pool);
    peer.migrate().await.expect("a table");
    let pool = PgPoolOptions::new().test_before_acquire(false);
    let untested = PeerPostgres::new(pool.connect(&postgres.url()).await.expect("a pool"));
    let config = Config::from_url(&redis.url()).expect("a URL");
    let fred = Pool::new(config, None, None, None, 6).expect("a pool");
    fred.connect();
    fred.wait_for_connect().await.expect("a connection");
    let redis_store = RedisStore::connect(redis.url()).await.expect("a store");
    let mut ways = [
        ours("tower-didt, PostgreSQL, hot", store, 200_000).await,
        ours("tower-didt, Redis, hot", redis_store, 200_000).await,
        ours("tower-didt, PostgreSQL, asked", cold.open().expect("a store"), 20_000).await,
        ours("tower-didt, Redis, asked", cold_redis.open().expect("a store"), 20_000).await,
        theirs("tower-sessions-sqlx-store, PostgreSQL", peer, 20_000).await,
        theirs("tower-sessions-sqlx-store, PostgreSQL, untested", untested, 20_000).await,
        theirs("tower-sessions-redis-store", PeerRedis::new(fred.clone()), 20_000).await,
        bare("bare, nothing asked", || async { "nothing".to_owned() }).await,
        bare("bare sqlx, PostgreSQL", by_sqlx(&postgres).await).await,
        bare("bare redis, Redis", by_redis(&redis).await).await,
        bare("bare fred, Redis", by_fred(&redis, fred)).await,
    ];
    for _ in 0..ROUNDS {
        for way in ways.iter_mut().filter(|way| way.name.contains(part)) {
            way.round().await;
        }
    }
    println!(
        "| | requests per second of processor time | processor time | latency, one at a time |"
    );
    println!("|---|---|---|---|");
    ways.iter_mut().filter(|way| way.name.contains(part)).for_each(Way::report);
}

const ROWS: u32 = 1_000_000;

async fn million() {
    let server = Postgres::with(&["fsync=on", "shared_buffers=512MB", "max_wal_size=4GB"]);
    let store = PostgresStore::builder(server.url()).with_cleaning_interval(None);
    let store = store.open().expect("a store");
    store.migrate().await.expect("a schema");
    let begin = Instant::now();
    // The marks of the tokens have expired: as many are removed as sessions remain.
    server.sql(&format!(
        "SET session_replication_role = replica;
         INSERT INTO didt.sessions
             (handle, issuer, number, created_at, last_seen, expires_at, data, forget_at)
         SELECT sha256(('h' || i)::bytea), substr(sha256(('i' || i)::bytea), 1, 20), i, i, i, 9e9,
             NULL, 9e9 FROM generate_series(1, {ROWS}) i;
         INSERT INTO didt.tokens (digest, used, revocations, forget_at)
         SELECT sha256(('t' || i)::bytea), true, 0, 1 FROM generate_series(1, {ROWS}) i;"
    ));
    server.sql("VACUUM ANALYZE");
    println!("filled in {:.0?}", begin.elapsed());
    for table in ["sessions", "tokens"] {
        let size = server.sql(&format!(
            "SELECT pg_size_pretty(pg_table_size('didt.{table}')), \
             pg_size_pretty(pg_indexes_size('didt.{table}'))"
        ));
        println!("{table}: {size} (rows | indexes)");
    }
    latencies(&store, "among a million").await;
    let begin = Instant::now();
    let removed = store.clean_up().await.expect("an answer");
    println!("removed {removed} rows in {:.1?}", begin.elapsed());
}

async fn latencies(store: &PostgresStore, when: &str) {
    let (mut sign_in, mut everywhere) = (Vec::new(), Vec::new());
    for user in 0..1_000 {
        let wallet = Wallet::from_seed(format!("user {user}"));
        let now = SystemClock.now();
        let claim = Verifier::new("app").verify(wallet.token("app").mint(), now).expect("good");
        let mark = TokenMark::new(&claim, now.plus(Duration::from_secs(900)));
        let begin = Instant::now();
        let session = NewSession::new(mark, now.plus(Duration::from_secs(3600)));
        store.mint(session, now).await.expect("an answer");
        sign_in.push(begin.elapsed());
        let begin = Instant::now();
        store.revoke_all(claim.issuer(), now).await.expect("an answer");
        everywhere.push(begin.elapsed());
    }
    for (what, mut times) in [("sign-in", sign_in), ("sign-out everywhere", everywhere)] {
        times.sort();
        println!(
            "{what}, {when}: median {:.2?}, p99 {:.2?} of {}",
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            times.len()
        );
    }
}
