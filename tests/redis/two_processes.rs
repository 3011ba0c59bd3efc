//! One token presented to two processes at the same time.

use std::time::Duration;

use tower_didt::RedisStore;
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::two_processes::{self, one_of_200_makes_a_session};

/// Whether the URL is that of a cluster.
const CLUSTER: &str = "PRESENT_TO_CLUSTER";

/// The other process: run by the tests below, with a token and where Redis is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by other tests, in a process of its own"]
async fn present() {
    let Some(url) = two_processes::store_url() else { return };
    let builder = match std::env::var(CLUSTER) {
        Ok(_) => RedisStore::cluster_builder([url]),
        Err(_) => RedisStore::builder(url),
    };
    let store = builder.with_timeout(Duration::from_secs(10)).connect().await;
    two_processes::present(store.expect("a store")).await;
}

#[test]
fn of_200_presentations_to_two_processes_one_makes_a_session() {
    needs_redis!();
    let server = Server::start();
    one_of_200_makes_a_session(&server.url(), &[]);
}

#[test]
fn of_200_presentations_to_two_processes_on_a_cluster_one_makes_a_session() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    one_of_200_makes_a_session(&cluster.urls()[1], &[(CLUSTER, "1")]);
}
