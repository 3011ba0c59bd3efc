//! One store, several tokio runtimes: as where a static is used by tests that each have their own.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tower_didt::PostgresStore;
use tower_didt::store::SessionStore;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;

use crate::migrated;
use tower_didt_test_support::sessions::{now, opens, opens_at_once, sign_in, warm};

/// These tests are about answers, not about time.
const PATIENT: Duration = Duration::from_secs(5);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn outlives_its_runtime(open: impl AsyncFnOnce() -> PostgresStore) {
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
    needs_postgres!();
    let server = Server::start();
    runtime().block_on(migrated(&server));
    let builder = PostgresStore::builder(server.url()).with_timeout(PATIENT);
    outlives_its_runtime(async || builder.connect().await.expect("a store"));
}

#[test]
fn copies_are_used_again_where_the_runtime_that_heard_of_changes_does_not_run() {
    needs_postgres!();
    let server = Server::start();
    let first = runtime();
    let store = first.block_on(migrated(&server));
    let (ticket, _) = first.block_on(sign_in(&store, "alice"));
    first.block_on(warm(&store, &ticket));
    let second = runtime();
    // Its keeper does not run any more, so that another takes over.
    second.block_on(warm(&store, &ticket));
    first.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    drop(first);
    second.block_on(async {
        assert!(opens(&store, &ticket).await);
        warm(&store, &ticket).await;
    });
}
