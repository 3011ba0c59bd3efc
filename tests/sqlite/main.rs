//! The SQLite store, in files of its own.
//!
//! Figures are printed: `cargo test --features axum,sqlite,testing --test sqlite -- --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]
#![cfg(all(feature = "axum", feature = "sqlite", feature = "testing"))]

mod behaviour;
mod changes;
mod faults;
mod holder;
mod two_processes;

use tower_didt::SqliteStore;
use tower_didt::sqlite::SqliteStoreBuilder;
use tower_didt_test_support::directory::Directory;

/// A folder, and settings of a store in it.
fn place() -> (Directory, SqliteStoreBuilder) {
    let directory = Directory::new();
    let builder = SqliteStore::builder(format!("sqlite:{}/sessions.db", directory.0.display()));
    (directory, builder)
}

/// A store that has its tables.
async fn store() -> (Directory, SqliteStore) {
    let (directory, builder) = place();
    let store = builder.open().expect("a store");
    store.migrate().await.expect("tables");
    (directory, store)
}
