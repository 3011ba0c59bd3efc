//! What every store does, and what this one does with what it finds in Redis.

use std::num::NonZeroUsize;
use std::time::Duration;

use tower_didt::redis::{RedisConfigError, RedisWarning};
use tower_didt::store::{Minted, SessionStore};
use tower_didt::testing::store_suite::StoreSuite;
use tower_didt::{RedisStore, SessionLimit, StoreError, Timestamp};

use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::sessions::{
    LIFETIME, issuer, list, now, opens, session, sign_in, token, warm,
};

fn suite(make: impl Fn() -> RedisStore + 'static) -> StoreSuite {
    StoreSuite::new(move || {
        let store = make();
        async move { store }
    })
    .with_spawner(|task| drop(tokio::spawn(task)))
}

/// Patient: the suite is about answers, not about time.
const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_server_passes_the_suite_of_all_stores() {
    needs_redis!();
    let server = Server::start();
    let url = server.url();
    let builder = RedisStore::builder(url).with_timeout(PATIENT);
    suite({
        let builder = builder.clone();
        move || builder.open().expect("a store")
    })
    .run()
    .await;
    suite(move || builder.clone().with_local_copies(0).open().expect("a store")).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_passes_the_suite_of_all_stores() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let builder = RedisStore::cluster_builder([&cluster.urls()[0]]).with_timeout(PATIENT);
    suite(move || builder.open().expect("a store")).run().await;
}

#[tokio::test]
async fn everything_of_an_issuer_expires_by_itself() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    sign_in(&store, "alice").await;
    store.claim(token("alice"), now()).await.expect("an answer");
    let keys = server.cli(&["keys", "didt:*"]);
    // The sessions, their index, two used tokens.
    assert_eq!(keys.lines().count(), 4, "{keys}");
    for key in keys.lines() {
        let ttl: i64 = server.cli(&["ttl", key]).parse().expect("a number");
        let of_sessions = key.ends_with(":s") || key.ends_with(":i");
        let expected = if of_sessions { 3600 } else { 900 } + 300;
        assert!((expected - 10..=expected).contains(&ttl), "{key}: {ttl} s");
    }
}

#[tokio::test]
async fn a_session_ends_no_later_because_a_shorter_one_was_minted() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    sign_in(&store, "alice").await;
    let mut short = session("alice");
    short.expires_at = now().plus(Duration::from_secs(1));
    store.mint(short, now()).await.expect("an answer");
    let key = server.cli(&["keys", "*:s"]);
    let ttl: u64 = server.cli(&["ttl", &key]).parse().expect("a number");
    assert!(ttl > LIFETIME.as_secs(), "{ttl} s");
}

#[tokio::test]
async fn sessions_that_ended_are_swept_out_by_new_ones() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let key = |server: &Server| server.cli(&["keys", "*:s"]);
    for _ in 0..100 {
        let mut short = session("alice");
        short.expires_at = now().plus(Duration::from_millis(1));
        store.mint(short, now()).await.expect("an answer");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let fields: u32 = server.cli(&["hlen", &key(&server)]).parse().expect("a number");
    assert!(
        fields <= 3,
        "{fields} fields, of which one is the last session's and one no session's"
    );
    // An ended session takes no place of the allowed ones.
    let (ticket, _) = sign_in(&store, "alice").await;
    let two = SessionLimit::AtMost(NonZeroUsize::new(2).expect("not 0"));
    let limited = session("alice").with_limit(two);
    store.mint(limited, now()).await.expect("an answer");
    assert!(opens(&store, &ticket).await);
    // With the last session goes the key.
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    let (_, record) = sign_in(&store, "alice").await;
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    assert_eq!(key(&server), "");
    assert_eq!(server.cli(&["keys", "*:i"]), "");
}

#[tokio::test]
async fn applications_with_prefixes_of_their_own_see_nothing_of_each_other() {
    needs_redis!();
    let server = Server::start();
    let shop = RedisStore::builder(server.url()).with_prefix("shop").open().expect("a store");
    let blog = RedisStore::builder(server.url()).with_prefix("blog").open().expect("a store");
    let (ticket, record) = sign_in(&shop, "alice").await;
    assert!(!opens(&blog, &ticket).await);
    blog.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(opens(&shop, &ticket).await);
    let of_blog = server.cli(&["keys", "blog:*"]);
    assert!(of_blog.ends_with(":r") && of_blog.lines().count() == 1, "{of_blog}");
}

#[tokio::test]
async fn a_session_that_cannot_be_read_is_lost_and_in_the_way_of_nothing() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let corrupt = |answer: Result<_, StoreError>, what: &str| {
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{what}: {answer:?}");
    };
    for bad in ["", "garbage", "2 1 9 9 {}", "1 1 9 9 {\"handle\":1}"] {
        let (ticket, record) = sign_in(&store, "alice").await;
        let (other, _) = sign_in(&store, "alice").await;
        let key = server.cli(&["keys", "*:s"]);
        let handle = record.handle.to_string();
        server.cli(&["hset", &key, &handle, bad]);
        let listed = list(&store, record.issuer).await;
        assert_eq!(listed.len(), 1, "{bad}: it is skipped");
        if !bad.starts_with("1 ") {
            corrupt(store.touch(&record, now()).await.map(drop), bad);
        }
        // Whoever finds it loses the cookie, so it ends for machines that could read it too.
        corrupt(store.load(&ticket, now()).await.map(drop), bad);
        assert_eq!(server.cli(&["hexists", &key, &handle]), "0", "{bad}");
        assert!(!opens(&store, &ticket).await, "{bad}");
        // It can be replaced and revoked, and no other session is concerned.
        server.cli(&["hset", &key, &handle, bad]);
        let replacing = session("alice").replacing(Some(&record));
        assert!(matches!(store.mint(replacing, now()).await, Ok(Minted::Session { .. })));
        assert_eq!(server.cli(&["hexists", &key, &handle]), "0", "{bad}");
        server.cli(&["hset", &key, &handle, bad]);
        assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
        assert!(opens(&store, &other).await);
        store.revoke_all(record.issuer, now()).await.expect("an answer");
        assert!(!opens(&store, &other).await);
    }
}

#[tokio::test]
async fn a_key_of_another_type_makes_room_for_sessions() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    let key = server.cli(&["keys", "*:s"]);
    let spoil = || {
        server.cli(&["del", &key]);
        server.cli(&["set", &key, "no hash"]);
    };
    spoil();
    let found = store.load(&ticket, now()).await;
    assert!(matches!(found, Err(StoreError::Corrupt(_))), "{found:?}");
    spoil();
    assert!(!store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    spoil();
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(opens(&store, &ticket).await);
    // The index beside them, too.
    let index = server.cli(&["keys", "*:i"]);
    for _ in 0..2 {
        server.cli(&["del", &index]);
        server.cli(&["set", &index, "no sorted set"]);
        let listed = list(&store, record.issuer).await.len();
        server.cli(&["del", &index]);
        server.cli(&["set", &index, "no sorted set"]);
        sign_in(&store, "alice").await;
        assert_eq!(list(&store, record.issuer).await.len(), listed + 1);
    }
    spoil();
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
}

#[tokio::test]
async fn a_record_written_without_optional_fields_is_readable() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    let key = server.cli(&["keys", "*:s"]);
    let json = format!(
        r#"{{"handle":"{}","issuer":"{}","created_at":5,"last_seen":5,"expires_at":9}}"#,
        record.handle, record.issuer
    );
    server.cli(&["hset", &key, &record.handle.to_string(), &format!("1 1 9 7.5 {json}")]);
    let found = store.load(&ticket, now()).await.expect("an answer").expect("a session");
    assert_eq!(found.last_seen, Timestamp::from_secs_f64(7.5).expect("finite"));
    assert!(found.data.is_none());
}

#[tokio::test]
async fn a_script_that_the_server_has_forgotten_is_sent_again() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    sign_in(&store, "alice").await;
    server.cli(&["script", "flush"]);
    sign_in(&store, "alice").await;
}

#[tokio::test]
async fn a_replaced_session_of_another_issuer_leaves_no_copy() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (old, record) = sign_in(&store, "alice").await;
    warm(&store, &old).await;
    let new = session("bob").replacing(Some(&record));
    assert!(matches!(store.mint(new.clone(), now()).await, Ok(Minted::Session { .. })));
    assert!(matches!(store.mint(new, now()).await, Ok(Minted::AlreadyUsed)));
    assert!(!opens(&store, &old).await, "the copy in this process outlived its session");
}

#[tokio::test]
async fn settings_that_cost_safety_are_told() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let at = format!("127.0.0.1:{}", server.port);
    let not_durable = RedisWarning::NotDurable { server: at.clone() };
    let unbounded = RedisWarning::Unbounded { server: at.clone() };
    let warnings = store.check().await.expect("an answer");
    assert_eq!(warnings, [unbounded, not_durable.clone()]);
    server.cli(&["config", "set", "maxmemory", "100mb"]);
    let warnings = store.check().await.expect("an answer");
    assert_eq!(warnings, std::slice::from_ref(&not_durable));
    server.cli(&["config", "set", "maxmemory-policy", "allkeys-lru"]);
    let evicts = RedisWarning::Evicts { server: at, policy: "allkeys-lru".to_owned() };
    assert_eq!(store.check().await.expect("an answer"), [evicts, not_durable]);
    server.cli(&["config", "set", "maxmemory-policy", "noeviction"]);
    server.cli(&["config", "set", "appendonly", "yes"]);
    server.cli(&["config", "set", "appendfsync", "always"]);
    assert_eq!(store.check().await.expect("an answer"), []);
}

#[cfg(unix)]
#[tokio::test]
async fn a_server_behind_a_socket() {
    needs_redis!();
    let directory = Directory::new();
    let socket = directory.0.join("socket").to_str().expect("UTF-8").to_owned();
    let server = Server::within(directory, &["--unixsocket", &socket]);
    let store = RedisStore::connect(format!("unix://{socket}")).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    let other = RedisStore::connect(server.url()).await.expect("a store");
    assert!(opens(&other, &ticket).await);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = RedisStore::open("redis://localhost").expect_err("no runtime");
    assert_eq!(error, RedisConfigError::NoRuntime);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_or_brought_within_bounds() {
    let builder = RedisStore::builder("redis://localhost");
    for bad in ["", "{x}", "a b"] {
        let error = builder.clone().with_prefix(bad).open().expect_err("no prefix");
        assert_eq!(error, RedisConfigError::InvalidPrefix);
    }
    let none: [&str; 0] = [];
    for urls in [&none[..], &["redis://a", "rediss://b"], &["redis://a/1"], &["redis://a", "x"]] {
        let error = RedisStore::open_cluster(urls.iter().copied()).expect_err("no cluster");
        assert_eq!(error, RedisConfigError::InvalidUrl);
    }
    for extreme in [Duration::ZERO, Duration::MAX] {
        let builder = builder.clone().with_timeout(extreme).with_ping_interval(extreme);
        for bytes in [0, 1, u64::MAX] {
            let store = builder.clone().with_local_copies(bytes).open().expect("a store");
            assert!(store.load("nonsense", now()).await.expect("an answer").is_none());
        }
    }
}
