//! Data is changed while the server fails.

use std::time::Duration;

use tower_didt::PostgresStore;
use tower_didt::store::SessionStore;
use tower_didt_test_support::change::Change;
use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::sessions::{eventually, now, session};

use crate::migrated;

/// Robust on a busy machine.
const LIMIT: Duration = Duration::from_millis(1_500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_paused_killed_or_read_only_a_change_fails_in_time_and_is_made_once() {
    needs_postgres!();
    let mut server = Server::start();
    let store = migrated(&server).await;

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
    let read_only = |value: &str| {
        server.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        server.sql("SELECT pg_reload_conf()");
    };
    read_only("on");
    eventually(async || store.mint(session("carol"), now()).await.is_err()).await;
    change.fails(&store, LIMIT).await;
    read_only("off");
    change.is_made_once(&store).await;
}

/// Nobody knows whether it was made: sent again, it would find its own and say that another was faster.
#[tokio::test]
async fn a_change_whose_answer_is_lost_is_not_sent_again() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    let patient = PostgresStore::builder(proxy.postgres_url());
    let patient = patient.with_timeout(Duration::from_secs(10)).with_local_copies(0);
    let store = patient.connect().await.expect("a store");
    let change = Change::begin(&store).await;
    change.is_made_though_its_answer_is_lost(&store, &proxy).await;
}

/// By the message that takes the copy away, far sooner than copies end by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_is_read_on_another_machine_that_has_a_copy() {
    needs_postgres!();
    let server = Server::start();
    let here = migrated(&server).await;
    let there = PostgresStore::connect(server.url()).await.expect("a store");
    Change::reach(&here, &there).await;
}
