//! Copies in a process: used while they are certain, never beyond.

use std::time::{Duration, Instant};

use tower_didt::RedisStore;
use tower_didt::store::SessionStore;

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::sessions::{
    Times, eventually, issuer, list, now, opens, opens_at_once, session, sign_in, unavailable, warm,
};
use tower_didt_test_support::word;

/// How often a server was sent a command.
fn calls_of(server: &Server, command: &str) -> u64 {
    let stats = server.cli(&["info", "commandstats"]);
    let begin = format!("cmdstat_{command}:");
    let line = stats.lines().find(|line| line.starts_with(&begin));
    line.map_or(0, |line| {
        let calls = line.split(['=', ',']).nth(1).expect("a count");
        calls.parse().expect("a number")
    })
}

/// Loads all of these at once.
async fn load_at_once<'a>(store: &RedisStore, tickets: impl IntoIterator<Item = &'a String>) {
    let loads: Vec<_> =
        tickets.into_iter().map(|ticket| tokio::spawn(store.load(ticket, now()))).collect();
    for load in loads {
        assert!(load.await.expect("no panic").expect("an answer").is_some());
    }
}

#[tokio::test]
async fn a_thousand_requests_that_lose_a_copy_together_ask_once_and_without_copies_twice() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    let tickets = vec![ticket; 1_000];
    for round in 1..4 {
        let before = calls_of(&server, "hget");
        // As after a failover: the connection is lost, and all copies with it.
        server.cli(&["client", "kill", "type", "normal", "skipme", "yes"]);
        eventually(async || !opens_at_once(&store, &tickets[0])).await;
        load_at_once(&store, &tickets).await;
        // One question may have been on its way when the connection was lost.
        let asked = calls_of(&server, "hget") - before;
        assert!((1..=2).contains(&asked), "round {round}: {asked}");
    }
    let strict =
        RedisStore::builder(server.url()).with_local_copies(0).connect().await.expect("a store");
    let before = calls_of(&server, "hget");
    load_at_once(&strict, &tickets).await;
    // Those who came while the first was on its way share a question that was asked after they came.
    assert_eq!(calls_of(&server, "hget"), before + 2);
}

#[tokio::test]
async fn no_more_look_ups_are_on_their_way_than_may_and_sign_ins_pass_them() {
    needs_redis!();
    let (server, mut tickets) = (Server::start(), Vec::new());
    let direct = RedisStore::connect(server.url()).await.expect("a store");
    for number in 0..200 {
        tickets.push(sign_in(&direct, &format!("user {number}")).await.0);
    }
    let proxy = Proxy::before(server.port).await;
    let store = RedisStore::builder(proxy.url())
        .with_timeout(Duration::from_secs(20))
        .connect()
        .await
        .expect("a store");
    let before = calls_of(&server, "hget");
    proxy.hold_up_answers_after(b"HGET");
    let loads: Vec<_> =
        tickets.iter().map(|ticket| tokio::spawn(store.load(ticket, now()))).collect();
    eventually(async || calls_of(&server, "hget") >= before + 64).await;
    // What changes something waits for no look-up.
    let minting = tokio::spawn(store.mint(session("bob"), now()));
    let scripts = || calls_of(&server, "evalsha");
    let known = scripts();
    eventually(async || scripts() > known).await;
    // (One of them is the sign-in's own.)
    assert_eq!(calls_of(&server, "hget"), before + 64 + 1);
    proxy.mend();
    for load in loads {
        assert!(load.await.expect("no panic").expect("an answer").is_some());
    }
    assert!(minting.await.expect("no panic").is_ok());
    assert_eq!(calls_of(&server, "hget"), before + 200 + 1);
}

#[tokio::test]
async fn a_session_is_asked_for_once() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(!opens_at_once(&store, &ticket));
    warm(&store, &ticket).await;
    let calls = || calls_of(&server, "hget");
    let before = calls();
    let (begin, now) = (Instant::now(), now());
    for _ in 0..10_000 {
        assert!(matches!(store.load(&ticket, now).try_now(), Ok(Ok(Some(_)))));
    }
    println!("a session of which there is a copy: {:.0?}", begin.elapsed() / 10_000);
    assert_eq!(calls(), before);

    let strict =
        RedisStore::builder(server.url()).with_local_copies(0).connect().await.expect("a store");
    assert!(opens(&strict, &ticket).await);
    assert!(!opens_at_once(&strict, &ticket));
    assert!(opens(&strict, &ticket).await);
    assert_eq!(calls(), before + 2);
    let begin = Instant::now();
    for _ in 0..1000 {
        assert!(opens(&strict, &ticket).await);
    }
    println!("one that is asked for, on loopback: {:.0?}", begin.elapsed() / 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_heard_of_on_other_machines_within_milliseconds() {
    needs_redis!();
    let server = Server::start();
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(server.url()).await.expect("a store");
    for (everywhere, what) in [(false, "revoke"), (true, "revoke_all")] {
        let times = word::of_revocations(&a, &b, everywhere).await;
        times.report(&format!("one server, from {what} on A to refusal on B"));
        assert!(times.median() < Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_heard_of_across_a_cluster() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let builder = RedisStore::cluster_builder(cluster.urls());
    let a = builder.connect().await.expect("a store");
    let b = builder.connect().await.expect("a store");
    let times = word::of_revocations(&a, &b, false).await;
    times.report("cluster, from revoke on A to refusal on B");
    assert!(times.median() < Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_data_is_read_on_other_machines_within_milliseconds() {
    needs_redis!();
    let server = Server::start();
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(server.url()).await.expect("a store");
    let times = word::of_changed_data(&a, &b).await;
    times.report("one server, from a change of data on A to reading it on B");
    assert!(times.median() < Duration::from_millis(50));
}

#[tokio::test]
async fn copies_are_dropped_when_the_connection_is_lost() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    for _ in 0..20 {
        warm(&store, &ticket).await;
        server.cli(&["client", "kill", "type", "normal"]);
        let took = eventually(async || !opens_at_once(&store, &ticket)).await;
        assert!(took < Duration::from_millis(500), "{took:?}");
        eventually(async || store.load(&ticket, now()).await.is_ok()).await;
    }
}

#[tokio::test]
async fn an_end_of_the_connection_ends_the_use_of_copies_before_their_time() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    // As long as nobody sees the connection end, copies are good for two minutes.
    let minute = Duration::from_secs(60);
    let store = RedisStore::builder(proxy.url()).with_ping_interval(minute).with_timeout(minute);
    let store = store.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    proxy.cut();
    eventually(async || !opens_at_once(&store, &ticket)).await;
}

#[tokio::test]
async fn what_was_revoked_while_a_machine_was_cut_off_is_refused_when_it_is_back() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(proxy.url()).await.expect("a store");
    for n in 0..5 {
        let (ticket, record) = sign_in(&a, &format!("user {n}")).await;
        warm(&b, &ticket).await;
        proxy.cut();
        a.revoke(record.issuer, record.handle, now()).await.expect("an answer");
        eventually(async || b.load(&ticket, now()).await.is_err()).await;
        proxy.mend();
        eventually(async || b.load(&ticket, now()).await.is_ok()).await;
        assert!(!opens(&b, &ticket).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_behind_a_dead_network_stops_using_copies_in_time() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(proxy.url()).await.expect("a store");
    let mut times = Vec::new();
    for n in 0..10 {
        let (ticket, record) = sign_in(&a, &format!("user {n}")).await;
        warm(&b, &ticket).await;
        proxy.hold_up();
        a.revoke(record.issuer, record.handle, now()).await.expect("an answer");
        let begin = Instant::now();
        while opens_at_once(&b, &ticket) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begin.elapsed());
        unavailable(b.load(&ticket, now()).await);
        proxy.mend();
        eventually(async || b.load(&ticket, now()).await.is_ok()).await;
        assert!(!opens(&b, &ticket).await, "revoked while nothing passed");
    }
    let times = Times::new(times);
    times.report("dead network, last use of a copy after the revocation (bound 450 ms)");
    assert!(times.percentile(100) < Duration::from_millis(600));
}

#[tokio::test]
async fn a_paused_machine_uses_no_copies_when_it_wakes() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    let key = server.cli(&["keys", "*:s"]);
    warm(&store, &ticket).await;
    // This runtime has one thread: from here on nothing of the store runs.
    server.cli(&["del", &key]);
    std::thread::sleep(Duration::from_millis(600));
    assert!(!opens_at_once(&store, &ticket), "a copy was used without having asked for so long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_beside_a_revocation_leaves_no_copy() {
    needs_redis!();
    let server = Server::start();
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(server.url()).await.expect("a store");
    for n in 0..200 {
        let (ticket, record) = sign_in(&a, &format!("user {n}")).await;
        let loads: Vec<_> = (0..8)
            .map(|_| {
                let (b, ticket) = (b.clone(), ticket.clone());
                tokio::spawn(async move { b.load(&ticket, now()).await.map(drop) })
            })
            .collect();
        a.revoke_all(record.issuer, now()).await.expect("an answer");
        for load in loads {
            load.await.expect("no panic").expect("an answer");
        }
        eventually(async || !opens(&b, &ticket).await).await;
        for _ in 0..5 {
            assert!(!opens(&b, &ticket).await, "a copy came back");
        }
    }
}

#[tokio::test]
async fn a_flushed_database_is_heard_of() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.cli(&["flushall"]);
    eventually(async || !opens(&store, &ticket).await).await;
    // And copies are made again afterwards.
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_survives_the_end_of_all_however_many_are_minted_beside_it() {
    needs_redis!();
    let server = Server::start();
    let a = RedisStore::connect(server.url()).await.expect("a store");
    let b = RedisStore::connect(server.url()).await.expect("a store");
    for _ in 0..30 {
        let mints: Vec<_> = (0..8)
            .map(|n| {
                let (store, session) = (if n % 2 == 0 { &a } else { &b }.clone(), session("alice"));
                tokio::spawn(async move { store.mint(session, now()).await.expect("an answer") })
            })
            .collect();
        b.revoke_all(issuer("alice"), now()).await.expect("an answer");
        for mint in mints {
            mint.await.expect("no panic");
        }
        a.revoke_all(issuer("alice"), now()).await.expect("an answer");
        assert!(list(&b, issuer("alice")).await.is_empty());
        assert_eq!(server.cli(&["keys", "*:s"]), "");
    }
}

/// The copies of this process are dropped when a revocation is answered, not when it is sent:
/// what was read in between, here while it is sent again, would outlive it. The message from
/// Redis is held up, so that nothing else can drop them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_copied_while_a_revocation_was_under_way_is_dropped_when_it_is_answered() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let minute = Duration::from_secs(60);
    let store = RedisStore::builder(proxy.url()).with_ping_interval(minute).with_timeout(minute);
    let store = store.connect().await.expect("a store");
    let mut kinds: Vec<std::sync::Arc<dyn SessionStore>> = vec![std::sync::Arc::new(store.clone())];
    #[cfg(feature = "sealed")]
    {
        let keys = tower_didt::SealingKeys::generate().expect("randomness");
        kinds.push(std::sync::Arc::new(tower_didt::SealedStore::new(keys, store.clone())));
    }
    for store in kinds {
        let tower_didt::store::Minted::Session { ticket, record } =
            store.mint(session("alice"), now()).await.expect("an answer")
        else {
            panic!("no session")
        };
        let copied =
            || matches!(store.load(ticket.expose_secret(), now()).try_now(), Ok(Ok(Some(_))));
        // Sent, and lost on the way.
        proxy.hold_up();
        let mut revoking = std::pin::pin!(store.revoke_all(record.issuer, now()));
        let waker = std::task::Context::from_waker(std::task::Waker::noop()).waker().clone();
        let mut context = std::task::Context::from_waker(&waker);
        assert!(revoking.as_mut().poll(&mut context).is_pending());
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(50)).await;
        proxy.mend();
        // Meanwhile somebody uses the session, which is alive.
        eventually(async || {
            let _ = store.load(ticket.expose_secret(), now()).await;
            copied()
        })
        .await;
        proxy.hold_up_messages();
        revoking.await.expect("an answer, the second time");
        assert!(!copied(), "a copy outlived the answer");
        proxy.mend();
    }
}
