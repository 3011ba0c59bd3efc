//! Copies in a process: used while they are certain, never beyond.

use std::time::{Duration, Instant};

use tower_didt::PostgresStore;
use tower_didt::store::{Minted, SessionStore};

use tower_didt_test_support::needs_postgres;
use tower_didt_test_support::postgres::Server;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::sessions::{
    Times, eventually, issuer, list, now, opens, opens_at_once, session, sign_in, unavailable, warm,
};
use tower_didt_test_support::word;

use crate::migrated;

#[tokio::test]
async fn a_session_is_asked_for_once() {
    needs_postgres!();
    let server = Server::with(&["log_min_duration_statement=0"]);
    let store = migrated(&server).await;
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(!opens_at_once(&store, &ticket));
    warm(&store, &ticket).await;
    let calls = || server.log().matches(".load($1,").count();
    let before = calls();
    let (begin, now) = (Instant::now(), now());
    for _ in 0..10_000 {
        assert!(matches!(store.load(&ticket, now).try_now(), Ok(Ok(Some(_)))));
    }
    println!("a session of which there is a copy: {:.0?}", begin.elapsed() / 10_000);
    assert_eq!(calls(), before);

    let strict =
        PostgresStore::builder(server.url()).with_local_copies(0).connect().await.expect("a store");
    for asked in 1..=2 {
        assert!(opens(&strict, &ticket).await);
        assert!(!opens_at_once(&strict, &ticket));
        eventually(async || calls() > before).await;
        assert!(calls() >= before + asked, "{asked}");
    }
    let begin = Instant::now();
    for _ in 0..1000 {
        assert!(opens(&strict, &ticket).await);
    }
    println!("one that is asked for, on loopback: {:.0?}", begin.elapsed() / 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_is_heard_of_on_other_machines_within_milliseconds() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(server.url()).await.expect("a store");
    for (everywhere, what) in [(false, "revoke"), (true, "revoke_all")] {
        let times = word::of_revocations(&a, &b, everywhere).await;
        times.report(&format!("one server, from {what} on A to refusal on B"));
        assert!(times.median() < Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_data_is_read_on_other_machines_within_milliseconds() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(server.url()).await.expect("a store");
    let times = word::of_changed_data(&a, &b).await;
    times.report("one server, from a change of data on A to reading it on B");
    assert!(times.median() < Duration::from_millis(50));
}

#[tokio::test]
async fn copies_are_dropped_when_the_connection_is_lost() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let store = PostgresStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    for _ in 0..20 {
        warm(&store, &ticket).await;
        server.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE query LIKE '%pg_is_in_recovery%' AND pid <> pg_backend_pid()",
        );
        let took = eventually(async || !opens_at_once(&store, &ticket)).await;
        assert!(took < Duration::from_millis(500), "{took:?}");
        eventually(async || store.load(&ticket, now()).await.is_ok()).await;
    }
}

#[tokio::test]
async fn an_end_of_the_connection_ends_the_use_of_copies_before_their_time() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    // As long as nobody sees the connection end, copies are good for two minutes.
    let minute = Duration::from_secs(60);
    let store = PostgresStore::builder(proxy.postgres_url())
        .with_ping_interval(minute)
        .with_timeout(minute);
    let store = store.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    proxy.cut();
    eventually(async || !opens_at_once(&store, &ticket)).await;
}

#[tokio::test]
async fn what_was_revoked_while_a_machine_was_cut_off_is_refused_when_it_is_back() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(proxy.postgres_url()).await.expect("a store");
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
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(proxy.postgres_url()).await.expect("a store");
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
    times.report("dead network, last use of a copy after the revocation (bound 750 ms)");
    assert!(times.percentile(100) < Duration::from_millis(950));
}

#[tokio::test]
async fn a_paused_machine_uses_no_copies_when_it_wakes() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let store = PostgresStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    // This runtime has one thread: from here on nothing of the store runs.
    server.sql("DELETE FROM didt.sessions");
    std::thread::sleep(Duration::from_millis(900));
    assert!(!opens_at_once(&store, &ticket), "a copy was used without having asked for so long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_beside_a_revocation_leaves_no_copy() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(server.url()).await.expect("a store");
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
async fn rows_that_somebody_removes_or_changes_by_hand_are_heard_of() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let store = PostgresStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.sql("UPDATE didt.sessions SET expires_at = 7");
    eventually(async || {
        let found = store.load(&ticket, now()).await.expect("an answer").expect("a session");
        found.expires_at == tower_didt::Timestamp::from_secs(7)
    })
    .await;
    for sql in ["DELETE FROM didt.sessions", "TRUNCATE didt.sessions"] {
        // More issuers than are told one by one.
        for user in 0..110 {
            sign_in(&store, &format!("user {user}")).await;
        }
        // And copies are made again afterwards.
        let (ticket, _) = sign_in(&store, "alice").await;
        warm(&store, &ticket).await;
        server.sql(sql);
        eventually(async || !opens(&store, &ticket).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_survives_the_end_of_all_however_many_are_minted_beside_it() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let a = PostgresStore::connect(server.url()).await.expect("a store");
    let b = PostgresStore::connect(server.url()).await.expect("a store");
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
        assert_eq!(server.sql("SELECT count(*) FROM didt.sessions"), "0");
    }
}

/// The copies of this process are dropped when a revocation is answered, not when it is sent:
/// what was read in between, here while it is sent again, would outlive it. The message from
/// Redis is held up, so that nothing else can drop them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_copied_while_a_revocation_was_under_way_is_dropped_when_it_is_answered() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    let minute = Duration::from_secs(60);
    let store = PostgresStore::builder(proxy.postgres_url())
        .with_ping_interval(minute)
        .with_timeout(minute);
    let store = store.connect().await.expect("a store");
    let Minted::Session { ticket, record } =
        store.mint(session("alice"), now()).await.expect("an answer")
    else {
        panic!("no session")
    };
    let copied = || opens_at_once(&store, ticket.expose_secret());
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

/// A failover: those who make new connections reach another server than the one that still tells of
/// changes, and hears of none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_server_than_the_one_that_tells_of_changes_is_not_copied() {
    needs_postgres!();
    let (old, new) = (Server::start(), Server::start());
    let proxy = Proxy::before(old.port).await;
    migrated(&old).await;
    migrated(&new).await;
    // So patient that the old connection is not given up.
    let minute = Duration::from_secs(60);
    let store = PostgresStore::builder(proxy.postgres_url()).with_ping_interval(minute);
    let store =
        store.with_timeout(minute).with_max_connections(1).connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    // From here on new connections lead to the other; the store's own for calls is lost.
    proxy.lead_to(new.port);
    old.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres' \
         AND query NOT LIKE '%pg_is_in_recovery%' AND pid <> pg_backend_pid()",
    );
    let (ticket, record) = sign_in(&store, "bob").await;
    for _ in 0..3 {
        assert!(opens(&store, &ticket).await);
        assert!(!opens_at_once(&store, &ticket), "a copy that nobody would invalidate");
    }
    let other = PostgresStore::connect(new.url()).await.expect("a store");
    other.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
}
