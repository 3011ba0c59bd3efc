//! PgBouncer in transaction mode, and pools of the application's own.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use tower_didt::PostgresStore;
use tower_didt::store::SessionStore;
use tower_didt::testing::store_suite::StoreSuite;

use crate::migrated;
use tower_didt_test_support::postgres::{PgBouncer, Server};
use tower_didt_test_support::sessions::{
    eventually, in_full, now, opens, opens_at_once, sign_in, unavailable, warm,
};
use tower_didt_test_support::{needs_pgbouncer, needs_postgres};

/// Patient: the suite is about answers, not about time.
const PATIENT: Duration = Duration::from_secs(10);

async fn passes_the_suite(store: PostgresStore) {
    StoreSuite::new(move || {
        let store = store.clone();
        async move { store }
    })
    .with_spawner(|task| drop(tokio::spawn(task)))
    .run()
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_in_transaction_mode_it_passes_the_suite_of_all_stores() {
    needs_pgbouncer!();
    let server = Server::start();
    let pooler = PgBouncer::before(&server);
    let builder = PostgresStore::builder(pooler.url()).with_transaction_pooling();
    let store = builder.with_timeout(PATIENT).open().expect("a store");
    store.migrate().await.expect("a schema");
    passes_the_suite(store).await;
    assert_eq!(server.sql("SELECT count(*) FROM pg_prepared_statements"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_a_revocation_counts_at_once_and_there_are_no_copies() {
    needs_pgbouncer!();
    let server = Server::start();
    migrated(&server).await;
    let pooler = PgBouncer::before(&server);
    let open = || PostgresStore::builder(pooler.url()).with_transaction_pooling().open();
    let (a, b) = (open().expect("a store"), open().expect("a store"));
    for user in 0..50 {
        let (ticket, record) = sign_in(&a, &format!("user {user}")).await;
        assert!(opens(&b, &ticket).await);
        assert!(!opens_at_once(&b, &ticket) && !b.has_copies());
        a.revoke(record.issuer, record.handle, now()).await.expect("an answer");
        assert!(!opens(&b, &ticket).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_nobody_mentioned_gives_errors_that_say_so_and_no_wrong_answer() {
    needs_pgbouncer!();
    let server = Server::start();
    let store = migrated(&server).await;
    let (ticket, _) = sign_in(&store, "alice").await;
    let pooler = PgBouncer::before(&server);
    let unaware = PostgresStore::open(pooler.url()).expect("a store");
    let error = in_full(&unavailable(unaware.ready().await));
    assert!(error.contains("with_transaction_pooling"), "{error}");
    // With the parameter that it refuses out of the way, no change arrives, and nothing is copied.
    let options = server.url().replace(&server.port.to_string(), &port_of(&pooler.url()));
    let options: sqlx::postgres::PgConnectOptions = options.parse().expect("options");
    let pool = PgPoolOptions::new().connect_lazy_with(options.extra_float_digits(None));
    let unaware = PostgresStore::with_pool(pool).open().expect("a store");
    for _ in 0..100 {
        if let Ok(found) = unaware.load(&ticket, now()).await {
            assert!(found.is_some());
        }
    }
}

fn port_of(url: &str) -> String {
    url.split([':', '/', '?']).find(|part| part.parse::<u16>().is_ok()).expect("a port").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_the_applications_passes_the_suite_of_all_stores() {
    needs_postgres!();
    let server = Server::start();
    let pool = PgPoolOptions::new().max_connections(3).connect_lazy(&server.url()).expect("a pool");
    let store = PostgresStore::with_pool(pool.clone()).with_timeout(PATIENT).open();
    let store = store.expect("a store");
    store.migrate().await.expect("a schema");
    passes_the_suite(store).await;
    sqlx::query("SELECT 1").execute(&pool).await.expect("the application's own question");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_is_given_back_whole_after_a_fault() {
    needs_postgres!();
    let mut server = Server::start();
    let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&server.url()).expect("a pool");
    let store = PostgresStore::with_pool(pool.clone()).open().expect("a store");
    store.migrate().await.expect("a schema");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.pause();
    eventually(async || store.load(&ticket, now()).await.is_err()).await;
    for _ in 0..5 {
        unavailable(store.ready().await);
    }
    server.resume();
    eventually(async || store.ready().await.is_ok()).await;
    server.kill();
    unavailable(store.ready().await);
    server.boot();
    eventually(async || store.ready().await.is_ok()).await;
    assert!(opens(&store, &ticket).await);
    let held: Vec<_> = [pool.acquire().await, pool.acquire().await].into();
    assert!(held.iter().all(Result::is_ok), "both connections");
}
