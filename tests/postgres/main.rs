//! The PostgreSQL store against real servers, which the tests start and stop themselves.
//!
//! Without PostgreSQL they are not run, and say so; with `TOWER_DIDT_REQUIRE_POSTGRES=1` in the
//! environment they fail instead. Figures are printed:
//! `cargo test --features axum,postgres,testing --test postgres -- --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]
#![cfg(all(feature = "axum", feature = "postgres", feature = "testing"))]

mod behaviour;
mod changes;
mod copies;
mod faults;
mod given_up;
mod http;
mod meanwhile;
mod plans;
mod pooler;
mod runtimes;
mod tls;
mod two_processes;

use tower_didt::PostgresStore;
use tower_didt_test_support::postgres::Server;

/// A store on a server that gets its schema first.
async fn migrated(server: &Server) -> PostgresStore {
    migrated_at(&server.url()).await
}

/// A store at a URL, which gets its schema first.
async fn migrated_at(url: &str) -> PostgresStore {
    let store = PostgresStore::open(url).expect("a store");
    store.migrate().await.expect("a schema");
    store
}
