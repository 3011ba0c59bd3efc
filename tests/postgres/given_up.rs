//! Clients that give their requests up: what that costs the server, and others.

use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use tokio::time::timeout;
use tower_didt::PostgresStore;
use tower_didt::postgres::PostgresStoreBuilder;
use tower_didt::store::SessionStore;

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::sessions::{eventually, now, opens, session, sign_in};

/// The processes that serve the store, each for one connection.
fn processes(server: &Server) -> String {
    server.sql(
        "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
             AND query NOT LIKE '%LOCK TABLE%'",
    )
}

/// Otherwise anybody could make the server start a process, and check a password, for each request that
/// they send and give up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_cost_no_connection() {
    needs_postgres!();
    let server = Server::start();
    drop(migrated(&server).await);
    let own = PostgresStore::builder(server.url()).with_max_connections(1);
    cost_no_connection(&server, own).await;
    let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
    let pool = pool.connect(&server.url()).await.expect("a pool");
    cost_no_connection(&server, PostgresStore::with_pool(pool)).await;
}

async fn cost_no_connection(server: &Server, builder: PostgresStoreBuilder) {
    let builder = builder.with_local_copies(0).with_cleaning_interval(None);
    let store = builder.with_timeout(Duration::from_secs(20)).open().expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    eventually(async || processes(server).split(' ').count() == 1).await;
    let before = processes(server);
    for _ in 0..10 {
        let lock = server.hold("BEGIN; LOCK TABLE didt.sessions IN ACCESS EXCLUSIVE MODE");
        // The call has reached the server, and waits there.
        let moment = Duration::from_millis(100);
        assert!(timeout(moment, store.load(&ticket, now())).await.is_err());
        drop(lock);
        assert!(opens(&store, &ticket).await);
    }
    // At any moment of their way.
    for micros in [0, 100, 200, 400, 800, 1_600].repeat(4) {
        let _ = timeout(Duration::from_micros(micros), store.load(&ticket, now())).await;
        let minting = store.mint(session("alice"), now());
        let _ = timeout(Duration::from_micros(micros), minting).await;
        assert!(opens(&store, &ticket).await, "the right answer, after all that nobody took");
    }
    assert_eq!(processes(server), before);
}
