//! Data is changed while the server fails.

use std::time::Duration;

use tower_didt::RedisStore;
use tower_didt_test_support::change::Change;
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::Server;

/// Robust on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_paused_killed_or_out_of_memory_a_change_fails_in_time_and_is_made_once()
 {
    needs_redis!();
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisStore::connect(server.url()).await.expect("a store");

    let change = Change::begin(&store).await;
    server.pause();
    change.fails(&store, LIMIT).await;
    server.resume();
    change.is_made_once(&store).await;

    let change = Change::begin(&store).await;
    server.kill();
    change.fails(&store, LIMIT).await;
    server.boot();
    change.is_made_once(&store).await;

    let change = Change::begin(&store).await;
    server.cli(&["config", "set", "maxmemory", "1"]);
    change.fails(&store, LIMIT).await;
    server.cli(&["config", "set", "maxmemory", "0"]);
    change.is_made_once(&store).await;
}

/// Nobody knows whether it was made: sent again, it would find its own and say that another was faster.
#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_sent_again() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let patient = RedisStore::builder(proxy.url()).with_timeout(Duration::from_secs(10));
    let store = patient.connect().await.expect("a store");
    let change = Change::begin(&store).await;
    change.is_made_though_its_answer_is_lost(&store, &proxy).await;
}

/// By the message that takes the copy away, far sooner than copies end by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_read_on_another_machine_that_has_a_copy() {
    needs_redis!();
    let server = Server::start();
    let here = RedisStore::connect(server.url()).await.expect("a store");
    let there = RedisStore::connect(server.url()).await.expect("a store");
    Change::reach(&here, &there).await;
}
