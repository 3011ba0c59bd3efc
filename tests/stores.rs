//! Every store passes the one suite of behaviour.

use tower_didt::MemoryStore;
use tower_didt::testing::store_suite::{self, StoreSuite};

#[tokio::test]
async fn the_memory_store() {
    store_suite::run(|| async { MemoryStore::new() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_on_a_runtime() {
    StoreSuite::new(|| async { MemoryStore::new() })
        .with_spawner(|task| drop(tokio::spawn(task)))
        .run()
        .await;
}
