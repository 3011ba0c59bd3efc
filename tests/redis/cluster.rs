//! A cluster: nodes that fail, slots that move, masters that are replaced.

use std::time::{Duration, Instant};

use tower_didt::RedisStore;
use tower_didt::store::SessionStore;

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::ClusterOf;
use tower_didt_test_support::sessions::{
    eventually, issuer, now, opens, opens_at_once, session, sign_in, unavailable, warm,
};

/// A user for every node.
fn users(cluster: &ClusterOf) -> Vec<String> {
    let masters = cluster.masters_slots();
    masters
        .into_iter()
        .map(|(node, _)| {
            (0..)
                .map(|n| format!("user {n}"))
                .find(|user| cluster.master_of(issuer(user)) == node)
                .expect("a user")
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_other_nodes_do_not_notice_that_one_is_away() {
    needs_redis!();
    let mut cluster = ClusterOf::masters();
    let store = RedisStore::open_cluster(cluster.urls()).expect("a store");
    let users = users(&cluster);
    let mut tickets = Vec::new();
    for user in &users {
        eventually(async || store.ready().await.is_ok()).await;
        tickets.push(sign_in(&store, user).await.0);
    }
    for ticket in &tickets {
        warm(&store, ticket).await;
    }
    let node = cluster.master_of(issuer(&users[1]));
    cluster.nodes[node].kill();
    eventually(async || store.load(&tickets[1], now()).await.is_err()).await;
    let begin = Instant::now();
    unavailable(store.load(&tickets[1], now()).await);
    unavailable(store.mint(session(&users[1]), now()).await);
    assert!(begin.elapsed() < Duration::from_secs(2));
    // Another's session is replaced in two steps, of which the second cannot be.
    for other in [0, 2] {
        eventually(async || store.load(&tickets[other], now()).await.is_ok()).await;
        assert!(opens(&store, &tickets[other]).await);
        sign_in(&store, &users[other]).await;
    }
    cluster.nodes[node].boot();
    eventually(async || store.load(&tickets[1], now()).await.is_ok()).await;
    assert!(!opens(&store, &tickets[1]).await, "it came back empty");
    eventually(async || store.mint(session(&users[1]), now()).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_survive_the_move_of_their_slot_and_revocations_are_heard_of_after_it() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let builder =
        RedisStore::cluster_builder([&cluster.urls()[0]]).with_timeout(Duration::from_secs(5));
    let (a, b) =
        (builder.connect().await.expect("a store"), builder.connect().await.expect("a store"));
    let (ticket, record) = sign_in(&a, "alice").await;
    warm(&b, &ticket).await;
    let from = cluster.master_of(record.issuer);
    let to = (from + 1) % 3;
    let tag = record.issuer.address().to_string().to_lowercase();
    let slot = cluster.nodes[0].cli(&["cluster", "keyslot", &tag]);
    let id = |node: usize| cluster.nodes[node].cli(&["cluster", "myid"]);
    let (from_id, to_id) = (id(from), id(to));
    cluster.nodes[to].cli(&["cluster", "setslot", &slot, "importing", &from_id]);
    cluster.nodes[from].cli(&["cluster", "setslot", &slot, "migrating", &to_id]);
    // Half-way: the keys go one by one.
    assert!(opens(&b, &ticket).await);
    let keys = cluster.nodes[from].cli(&["cluster", "getkeysinslot", &slot, "100"]);
    let port = cluster.nodes[to].port.to_string();
    let sessions = keys.lines().find(|key| key.ends_with(":s")).expect("a key");
    let migrate = |key: &str| {
        let moved = cluster.nodes[from].cli(&["migrate", "127.0.0.1", &port, key, "0", "1000"]);
        assert_eq!(moved, "OK");
    };
    migrate(sessions);
    assert!(opens(&b, &ticket).await, "asked for where it went");
    assert!(opens(&a, &ticket).await);
    for key in keys.lines().filter(|key| *key != sessions) {
        migrate(key);
    }
    for node in [to, from, 3 - to - from] {
        cluster.nodes[node].cli(&["cluster", "setslot", &slot, "node", &to_id]);
    }
    assert!(opens(&b, &ticket).await);
    sign_in(&a, "alice").await;
    warm(&b, &ticket).await;
    a.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(!opens(&a, &ticket).await);
    let took = eventually(async || !opens_at_once(&b, &ticket)).await;
    println!("moved slot, heard of the revocation after {took:.1?}");
    assert!(!opens(&b, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over() {
    needs_redis!();
    let mut cluster = ClusterOf::with_replicas();
    let store = RedisStore::cluster_builder(cluster.urls()).connect().await.expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    let master = cluster.master_of(record.issuer);
    // What was acknowledged has to reach the replica, or the failover loses it.
    cluster.nodes[master].cli(&["wait", "1", "1000"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    cluster.nodes[master].kill();
    let down = Instant::now();
    eventually(async || cluster.masters_slots().len() == 3).await;
    let up = down.elapsed();
    let took = eventually(async || store.load(&ticket, now()).await.is_ok()).await;
    println!("a replica took over after {up:.1?}, and was asked {took:.1?} later");
    assert!(took < Duration::from_secs(3));
    assert!(opens(&store, &ticket).await, "the session is on the replica");
    warm(&store, &ticket).await;

    // The old master comes back as a replica, and is not asked.
    cluster.nodes[master].boot();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(opens(&store, &ticket).await);
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_says_that_its_cluster_is_down_is_not_believed() {
    needs_redis!();
    let mut cluster = ClusterOf::masters();
    for node in &cluster.nodes {
        node.cli(&["config", "set", "cluster-require-full-coverage", "yes"]);
    }
    let store = RedisStore::cluster_builder(cluster.urls()).connect().await.expect("a store");
    let users = users(&cluster);
    let (ticket, _) = sign_in(&store, &users[0]).await;
    warm(&store, &ticket).await;
    let up = cluster.master_of(issuer(&users[0]));
    let other = cluster.master_of(issuer(&users[1]));
    cluster.nodes[other].kill();
    // The lost connection costs all copies; for a second the cluster does not know.
    eventually(async || !opens_at_once(&store, &ticket)).await;
    warm(&store, &ticket).await;
    let says_down = || cluster.nodes[up].cli(&["cluster", "info"]).contains("cluster_state:fail");
    assert!(!says_down(), "too late to see a change");
    eventually(async || says_down()).await;
    let begin = Instant::now();
    // It still answers pings, and reports every change of a key.
    eventually(async || !opens_at_once(&store, &ticket)).await;
    assert!(begin.elapsed() < Duration::from_millis(600), "{:?}", begin.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!opens_at_once(&store, &ticket), "it is believed again");
}
