//! One store, several tokio runtimes: as where a static is used by tests that each have their own.

use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tower_didt::store::SessionStore;
use tower_didt::{RedisStore, StoreError};
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::{ClusterOf, Server};

use tower_didt_test_support::sessions::{in_full, now, opens, opens_at_once, sign_in, warm};

/// These tests are about answers, not about time.
const PATIENT: Duration = Duration::from_secs(5);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn outlives_its_runtime(open: impl AsyncFnOnce() -> RedisStore) {
    let first = runtime();
    let store = first.block_on(open());
    let (ticket, _) = first.block_on(sign_in(&store, "alice"));
    first.block_on(warm(&store, &ticket));
    drop(first);
    assert!(!opens_at_once(&store, &ticket), "nobody hears of changes any more");
    for n in 0..3 {
        let next = runtime();
        next.block_on(async {
            store.ready().await.expect("a connection on the runtime that asks");
            assert!(opens(&store, &ticket).await, "{n}");
            let (ticket, record) = sign_in(&store, "bob").await;
            warm(&store, &ticket).await;
            store.revoke_all(record.issuer, now()).await.expect("an answer");
            assert!(!opens(&store, &ticket).await);
        });
    }
}

#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    needs_redis!();
    let server = Server::start();
    let builder = RedisStore::builder(server.url()).with_timeout(PATIENT);
    outlives_its_runtime(async || builder.connect().await.expect("a store"));
}

#[test]
fn a_store_on_a_cluster_outlives_the_runtime_that_opened_it() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let builder = RedisStore::cluster_builder([&cluster.urls()[0]]).with_timeout(PATIENT);
    outlives_its_runtime(async || builder.connect().await.expect("a store"));
}

#[test]
fn a_runtime_that_does_not_run_is_named_and_then_replaced() {
    needs_redis!();
    let server = Server::start();
    let first = runtime();
    let store = first.block_on(RedisStore::connect(server.url())).expect("a store");
    let second = runtime();
    let error = second.block_on(store.ready()).expect_err("nobody moves its bytes");
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(in_full(&error).contains("another tokio runtime"), "{error:?}");
    let begin = Instant::now();
    while second.block_on(store.ready()).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it never moves");
        second.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    }
    let (ticket, _) = second.block_on(sign_in(&store, "alice"));
    // The old keeper wakes up, and leaves the connection of the new one alone.
    first.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    drop(first);
    second.block_on(warm(&store, &ticket));
    assert!(second.block_on(opens(&store, &ticket)));
}
