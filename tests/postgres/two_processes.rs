//! One token presented to two processes at the same time.

use std::time::Duration;

use tower_didt::PostgresStore;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::two_processes::{self, one_of_200_makes_a_session};

use crate::migrated;

/// The other process: run by the test below, with a token and where PostgreSQL is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by other tests, in a process of its own"]
async fn present() {
    let Some(url) = two_processes::store_url() else { return };
    let builder = PostgresStore::builder(url).with_timeout(Duration::from_secs(30));
    two_processes::present(builder.connect().await.expect("a store")).await;
}

#[tokio::test]
async fn of_200_presentations_to_two_processes_one_makes_a_session() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    one_of_200_makes_a_session(&server.url(), &[]);
}
