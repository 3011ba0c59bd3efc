//! Everything that can befall a server, and what the store says then.

use std::time::{Duration, Instant};

use tower_didt::store::{Minted, SessionData, SessionStore, TokenState};
use tower_didt::{PostgresStore, StoreError};

use crate::migrated;
use tower_didt_test_support::directory::Directory;
use tower_didt_test_support::postgres::{Server, SmallDisk};
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::sessions::{
    Times, eventually, in_full, issuer, list, now, opens, opens_at_once, session, sign_in, token,
    unavailable, warm,
};
use tower_didt_test_support::{needs_postgres, not_run};

/// Robust on a busy machine; the medians are printed.
const LIMIT: Duration = Duration::from_millis(1_500);

/// Calls of every kind; each must fail with an error, in time.
async fn all_fail(store: &PostgresStore, ticket: &str, fault: &str) {
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut start = Instant::now();
        let mut next = || {
            let took = start.elapsed();
            assert!(took < LIMIT, "{fault}: {took:?}");
            times.push(took);
            start = Instant::now();
        };
        unavailable(store.load(ticket, now()).await);
        next();
        unavailable(store.mint(session("alice"), now()).await);
        next();
        unavailable(store.state_of(token("alice"), now()).await);
        next();
        unavailable(store.revoke_all(issuer("nobody"), now()).await);
        next();
        unavailable(store.ready().await);
        next();
    }
    Times::new(times).report(&format!("{fault}, from call to error"));
}

/// Waits until the store answers again, and says how long that took.
async fn recovers(store: &PostgresStore, fault: &str) {
    let took = eventually(async || store.ready().await.is_ok()).await;
    println!("{fault}, from the server's return to the store's: {took:.1?}");
    assert!(took < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_and_one_that_comes_back_with_its_data() {
    needs_postgres!();
    let mut server = Server::start();
    let store = migrated(&server).await;
    let (ticket, _) = sign_in(&store, "alice").await;
    let (revoked, record) = sign_in(&store, "alice").await;
    let used = session("alice");
    store.mint(used.clone(), now()).await.expect("an answer");
    warm(&store, &ticket).await;
    warm(&store, &revoked).await;
    store.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    server.kill();
    eventually(async || !opens_at_once(&store, &ticket)).await;
    all_fail(&store, &ticket, "killed").await;
    server.boot();
    recovers(&store, "started again").await;
    assert!(opens(&store, &ticket).await);
    assert!(!opens(&store, &revoked).await);
    assert_eq!(store.state_of(used.token, now()).await.expect("an answer"), TokenState::Used);
    // Copies are made again.
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_restarted_at_once_is_never_answered_for_by_copies() {
    needs_postgres!();
    let mut server = Server::start();
    let store = migrated(&server).await;
    for round in 0..3 {
        let (ticket, _) = sign_in(&store, "alice").await;
        warm(&store, &ticket).await;
        server.sql("ALTER TABLE didt.sessions DISABLE TRIGGER ALL");
        server.sql("DELETE FROM didt.sessions");
        server.sql("ALTER TABLE didt.sessions ENABLE TRIGGER ALL");
        match round {
            0 => server.kill(),
            _ => server.stop(),
        }
        server.boot();
        recovers(&store, "restarted at once").await;
        assert!(!opens(&store, &ticket).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.pause();
    let begin = Instant::now();
    while opens_at_once(&store, &ticket) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("paused, last use of a copy: {:.1?} (bound 750 ms)", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(950));
    all_fail(&store, &ticket, "paused (SIGSTOP)").await;
    server.resume();
    recovers(&store, "resumed").await;
    assert!(opens(&store, &ticket).await);
    // What was given up meanwhile ends on the server too.
    eventually(async || {
        let backends =
            server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename IS NOT NULL");
        backends.parse::<u32>().expect("a number") <= 14
    })
    .await;

    // For a moment: the connection stays.
    server.pause();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.resume();
    recovers(&store, "resumed after 300 ms").await;
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_a_connection_to_give() {
    needs_postgres!();
    let server = Server::with(&["max_connections=8", "max_wal_senders=0"]);
    let early = migrated(&server).await;
    let (ticket, _) = sign_in(&early, "alice").await;
    warm(&early, &ticket).await;
    // As many as there are: the first store has some already.
    let others: Vec<_> = (0..8).map_while(|_| server.try_to_hold("SELECT 1")).collect();
    assert!(!others.is_empty());
    let late = PostgresStore::open(server.url()).expect("a store");
    eventually(async || late.ready().await.is_err()).await;
    all_fail(&late, &ticket, "out of connections").await;
    let error = in_full(&unavailable(late.ready().await));
    assert!(error.contains("no connection left"), "{error}");
    // Those who have theirs go on.
    assert!(opens(&early, &ticket).await);
    sign_in(&early, "bob").await;
    drop(others);
    recovers(&late, "connections to give again").await;
    assert!(opens(&late, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_only_be_read() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let read_only = |value: &str| {
        server.sql(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}"));
        server.sql("SELECT pg_reload_conf()");
    };
    read_only("on");
    let wanted = session("bob");
    eventually(async || store.mint(session("carol"), now()).await.is_err()).await;
    let mut times = Vec::new();
    for _ in 0..10 {
        let begin = Instant::now();
        unavailable(store.mint(wanted.clone(), now()).await);
        times.push(begin.elapsed());
        unavailable(store.revoke(record.issuer, record.handle, now()).await);
        unavailable(store.ready().await);
        // Whom it knows it still knows.
        assert!(opens(&store, &ticket).await);
    }
    Times::new(times).report("read-only, from call to error");
    read_only("off");
    recovers(&store, "writable again").await;
    assert_eq!(store.state_of(wanted.token, now()).await.expect("an answer"), TokenState::New);
    store.mint(wanted, now()).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_not_believed() {
    needs_postgres!();
    let mut server = Server::start();
    let store = migrated(&server).await;
    let strict = PostgresStore::builder(server.url()).with_local_copies(0);
    let strict = strict.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    // It goes on answering reads, with what its primary told it last.
    server.become_standby();
    assert_eq!(server.sql("SELECT count(*) FROM didt.sessions"), "1");
    assert!(!opens_at_once(&store, &ticket));
    all_fail(&store, &ticket, "a standby").await;
    all_fail(&strict, &ticket, "a standby, without copies").await;
    server.promote();
    recovers(&store, "promoted").await;
    assert!(opens(&store, &ticket).await);
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room() {
    needs_postgres!();
    let directory = Directory::new();
    let Some(disk) = SmallDisk::mount(&directory, "150m") else {
        not_run("a disk without room", "no small file system can be mounted here");
        return;
    };
    let mut server = Server::within(
        directory,
        &["min_wal_size=32MB", "max_wal_size=32MB", "wal_recycle=off", "wal_init_zero=off"],
    );
    let store = migrated(&server).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    disk.fill();
    let big =
        SessionData::new(&"x".repeat(1 << 16).chars().map(|_| fastrand()).collect::<String>());
    let big = big.expect("JSON");
    let mut times = Vec::new();
    let mut refused = None;
    for round in 0.. {
        assert!(round < 5_000, "the disk is never full");
        let wanted = session(&format!("user {round}")).with_data(big.clone());
        let begin = Instant::now();
        match store.mint(wanted.clone(), now()).await {
            Ok(_) => {}
            Err(error) => {
                times.push(begin.elapsed());
                unavailable::<()>(Err(error));
                refused = Some(wanted);
                if times.len() == 10 {
                    break;
                }
            }
        }
    }
    let times = Times::new(times);
    times.report("disk full, from call to error");
    assert!(times.percentile(100) < LIMIT);
    // Nobody is told anything wrong meanwhile.
    if let Ok(found) = store.load(&ticket, now()).await {
        assert!(found.is_some());
    }
    disk.empty();
    if server.has_ended() {
        println!("disk full: the server ended by itself, and is started again");
        server.boot();
    }
    recovers(&store, "room again").await;
    assert!(opens(&store, &ticket).await);
    let refused = refused.expect("one");
    let state = store.state_of(refused.token, now()).await.expect("an answer");
    let listed = list(&store, refused.token.issuer).await.len();
    // Done or not done, and never half.
    assert!(matches!((state, listed), (TokenState::New, 0) | (TokenState::Used, 1)), "{state:?}");
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
}

/// A letter that compresses badly.
fn fastrand() -> char {
    use std::hash::{BuildHasher, Hasher};
    let number = std::hash::RandomState::new().build_hasher().finish();
    char::from(b'a' + (number % 26) as u8)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_stuck_holds_nobody_up_for_ever() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let strict = PostgresStore::builder(server.url()).with_local_copies(0);
    let strict = strict.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    let stuck = server.hold("BEGIN; LOCK TABLE didt.sessions IN ACCESS EXCLUSIVE MODE");
    eventually(async || strict.load(&ticket, now()).await.is_err()).await;
    // Far more calls than the server has connections: none is left behind waiting.
    for _ in 0..3 {
        let calls: Vec<_> = (0..40)
            .map(|_| {
                let (store, ticket) = (strict.clone(), ticket.clone());
                tokio::spawn(async move { unavailable(store.load(&ticket, now()).await) })
            })
            .collect();
        for call in calls {
            call.await.expect("an error");
        }
        let backends =
            server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename IS NOT NULL");
        assert!(backends.parse::<u32>().expect("a number") < 30, "{backends}");
    }
    let error = in_full(&unavailable(strict.load(&ticket, now()).await));
    assert!(error.contains("lock"), "{error}");
    let mut times = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        unavailable(strict.mint(session("bob"), now()).await);
        times.push(begin.elapsed());
    }
    let times = Times::new(times);
    times.report("a table locked, from call to error");
    assert!(times.percentile(100) < LIMIT);
    drop(stuck);
    recovers(&store, "unlocked").await;
    eventually(async || strict.load(&ticket, now()).await.is_ok()).await;
    assert!(opens(&strict, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_locked_holds_up_its_owner_alone() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    let stuck = server.hold("BEGIN; UPDATE didt.sessions SET version = version");
    eventually(async || store.revoke(record.issuer, record.handle, now()).await.is_err()).await;
    unavailable(store.revoke_all(record.issuer, now()).await);
    // Nothing was ended, and nobody was told so.
    assert!(opens(&store, &ticket).await);
    assert!(matches!(store.mint(session("bob"), now()).await, Ok(Minted::Session { .. })));
    drop(stuck);
    eventually(async || store.revoke_all(record.issuer, now()).await.is_ok()).await;
    assert!(!opens(&store, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_starts_while_its_server_is_away() {
    needs_postgres!();
    let mut server = Server::start();
    migrated(&server).await;
    server.kill();
    assert!(PostgresStore::connect(server.url()).await.is_err());
    let store = PostgresStore::open(server.url()).expect("a store");
    all_fail(&store, &"A".repeat(70), "never there").await;
    let error = in_full(&unavailable(store.ready().await));
    assert!(error.contains("refused"), "{error}");
    server.boot();
    recovers(&store, "there at last").await;
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_postgresql() {
    needs_postgres!();
    // Takes connections and says nothing; takes them and closes them; answers in HTTP.
    for words in [None, Some(""), Some("HTTP/1.1 400 Bad Request\r\n\r\n"), Some("E\0\0\0\u{7f}")] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                match words {
                    None => held.push(stream),
                    Some(words) => {
                        let words = words.as_bytes();
                        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, words).await;
                    }
                }
            }
        });
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        let store = PostgresStore::open(url).expect("a store");
        all_fail(&store, &"A".repeat(70), &format!("no PostgreSQL, says {words:?}")).await;
        server.abort();
    }
}

#[tokio::test]
async fn a_mint_that_is_given_up_makes_no_second_session() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    let wanted = session("alice");
    server.pause();
    unavailable(store.mint(wanted.clone(), now()).await);
    server.resume();
    eventually(async || store.ready().await.is_ok()).await;
    // The server may have done it after all; then the token is burned.
    let again = store.mint(wanted.clone(), now()).await.expect("an answer");
    let listed = list(&store, wanted.token.issuer).await;
    assert_eq!(listed.len(), 1, "{again:?}");
}

/// Nobody knows whether it was done: sent again, it would find its own claim and say that the
/// token was used.
#[tokio::test]
async fn a_mint_whose_answer_is_lost_is_not_sent_again() {
    needs_postgres!();
    let server = Server::start();
    migrated(&server).await;
    let proxy = Proxy::before(server.port).await;
    let patient = PostgresStore::builder(proxy.postgres_url());
    let patient = patient.with_timeout(Duration::from_secs(10)).with_local_copies(0);
    let store = patient.connect().await.expect("a store");
    // So that the statement is prepared.
    let (_, old) = sign_in(&store, "bob").await;
    let wanted = session("carol")
        .replacing(Some(&old))
        .with_data(SessionData::new(&"words to be seen").expect("JSON"));
    let issuer = wanted.token.issuer;
    let minting = store.mint(wanted, now());
    let has_done =
        async || server.sql("SELECT count(*) FROM didt.sessions WHERE data IS NOT NULL") == "1";
    unavailable(proxy.lose_answer(b"words to be seen", minting, has_done).await);
    eventually(async || store.ready().await.is_ok()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(list(&store, issuer).await.len(), 1);
}

#[tokio::test]
async fn a_default_isolation_level_under_which_answers_would_be_old_is_refused() {
    needs_postgres!();
    let server = Server::start();
    let store = migrated(&server).await;
    for level in ["repeatable read", "serializable"] {
        server
            .sql(&format!("ALTER DATABASE postgres SET default_transaction_isolation = '{level}'"));
        let late = PostgresStore::open(server.url()).expect("a store");
        let StoreError::Unavailable(cause) = unavailable(late.mint(session("alice"), now()).await)
        else {
            unreachable!()
        };
        assert!(cause.to_string().contains("isolation"), "{cause}");
    }
    sign_in(&store, "alice").await;
}
