//! What every store does, and what this one does with what it finds in PostgreSQL.

use std::time::Duration;

use tower_didt::PostgresStore;
use tower_didt::testing::store_suite::StoreSuite;

use crate::migrated;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;

fn suite(make: impl Fn() -> PostgresStore + 'static) -> StoreSuite {
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
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let builder = PostgresStore::builder(server.url()).with_timeout(PATIENT);
    suite({
        let builder = builder.clone().with_max_connections(4);
        move || builder.open().expect("a store")
    })
    .run()
    .await;
}
