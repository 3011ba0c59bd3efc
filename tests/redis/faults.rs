//! Everything that can befall a server, and what the store says then.

use std::time::{Duration, Instant};

use tower_didt::store::{SessionStore, TokenState};
use tower_didt::{RedisStore, StoreError};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::sessions::{
    Times, eventually, issuer, list, now, opens, opens_at_once, session, sign_in, token,
    unavailable, warm,
};

/// Robust on a busy machine; the medians are printed.
const LIMIT: Duration = Duration::from_secs(1);

/// Calls of every kind; each must fail with an error, in time.
async fn all_fail(store: &RedisStore, ticket: &str, fault: &str) {
    let mut times = Vec::new();
    for _ in 0..3 {
        let begin = |times: &mut Vec<_>, begin: Instant| {
            assert!(begin.elapsed() < LIMIT, "{fault}: {:?}", begin.elapsed());
            times.push(begin.elapsed());
        };
        let start = Instant::now();
        unavailable(store.load(ticket, now()).await);
        begin(&mut times, start);
        let start = Instant::now();
        unavailable(store.mint(session("alice"), now()).await);
        begin(&mut times, start);
        let start = Instant::now();
        unavailable(store.state_of(token("alice"), now()).await);
        begin(&mut times, start);
        let start = Instant::now();
        unavailable(store.revoke_all(issuer("nobody"), now()).await);
        begin(&mut times, start);
        unavailable(store.ready().await);
        let start = Instant::now();
        unavailable(store.ready().await);
        begin(&mut times, start);
    }
    Times::new(times).report(&format!("{fault}, from call to error"));
}

/// Waits until the store answers again, and says how long that took.
async fn recovers(store: &RedisStore, fault: &str) {
    let took = eventually(async || store.ready().await.is_ok()).await;
    println!("{fault}, from the server's return to the store's: {took:.1?}");
    assert!(took < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_and_one_that_comes_back_empty() {
    needs_redis!();
    let mut server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.kill();
    eventually(async || !opens_at_once(&store, &ticket)).await;
    all_fail(&store, &ticket, "killed").await;
    server.boot();
    recovers(&store, "restarted empty").await;
    assert!(!opens(&store, &ticket).await, "a session that Redis no longer has");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_restarted_at_once_is_never_answered_for_by_copies() {
    needs_redis!();
    let mut server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    for _ in 0..5 {
        let (ticket, _) = sign_in(&store, "alice").await;
        warm(&store, &ticket).await;
        server.kill();
        server.boot();
        recovers(&store, "restarted empty at once").await;
        assert!(!opens(&store, &ticket).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_with_its_data() {
    needs_redis!();
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    let (revoked, record) = sign_in(&store, "alice").await;
    let used = session("alice");
    store.mint(used.clone(), now()).await.expect("an answer");
    warm(&store, &ticket).await;
    warm(&store, &revoked).await;
    store.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    server.kill();
    server.boot();
    recovers(&store, "restarted with its data").await;
    assert!(opens(&store, &ticket).await);
    assert!(!opens(&store, &revoked).await);
    assert_eq!(store.state_of(used.token, now()).await.expect("an answer"), TokenState::Used);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.pause();
    let begin = Instant::now();
    while opens_at_once(&store, &ticket) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    println!("paused, last use of a copy: {:.1?} (bound 450 ms)", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_millis(600));
    all_fail(&store, &ticket, "paused (SIGSTOP)").await;
    server.resume();
    recovers(&store, "resumed").await;
    assert!(opens(&store, &ticket).await);

    // For a moment: the connection stays.
    server.pause();
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.resume();
    recovers(&store, "resumed after 300 ms").await;
    warm(&store, &ticket).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_out_of_memory() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    let (other, _) = sign_in(&store, "alice").await;
    server.cli(&["config", "set", "maxmemory", "1"]);
    let mut times = Vec::new();
    let wanted = session("bob");
    for _ in 0..10 {
        let begin = Instant::now();
        unavailable(store.mint(wanted.clone(), now()).await);
        unavailable(store.claim(token("bob"), now()).await);
        times.push(begin.elapsed() / 2);
        unavailable(store.touch(&record, now().plus(Duration::from_secs(60))).await);
    }
    Times::new(times).report("out of memory, from call to error");
    // What takes no memory works, and signing out everywhere, which gives some back first.
    assert!(opens(&store, &ticket).await);
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    unavailable(store.state_of(wanted.token, now()).await);
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    // Nothing was half done.
    server.cli(&["config", "set", "maxmemory", "0"]);
    assert_eq!(store.state_of(wanted.token, now()).await.expect("an answer"), TokenState::New);
    assert!(!opens(&store, &ticket).await);
    assert!(!opens(&store, &other).await);
    store.mint(wanted, now()).await.expect("an answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_not_believed() {
    needs_redis!();
    let master = Server::with(&["--repl-diskless-sync-delay", "0"]);
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    // It goes on answering reads, with what its master has or has not.
    server.cli(&["replicaof", "127.0.0.1", &master.port.to_string()]);
    let took = eventually(async || store.load(&ticket, now()).await.is_err()).await;
    println!("made a replica, noticed after {took:.1?}");
    assert!(took < LIMIT);
    all_fail(&store, &ticket, "read-only replica").await;
    eventually(async || server.cli(&["info", "replication"]).contains("link_status:up")).await;
    server.cli(&["replicaof", "no", "one"]);
    recovers(&store, "made a master").await;
    assert!(!opens(&store, &ticket).await, "its data were replaced by the master's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_starts_while_its_server_is_away() {
    needs_redis!();
    let mut server = Server::start();
    server.kill();
    assert!(RedisStore::connect(server.url()).await.is_err());
    let store = RedisStore::open(server.url()).expect("a store");
    all_fail(&store, &"A".repeat(70), "never there").await;
    server.boot();
    recovers(&store, "there at last").await;
    sign_in(&store, "alice").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_redis() {
    needs_redis!();
    // Takes connections and says nothing; takes them and closes them; answers in HTTP.
    for words in [None, Some(""), Some("HTTP/1.1 400 Bad Request\r\n\r\n"), Some("+OK\r\n+OK\r\n")]
    {
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
        let store = RedisStore::open(format!("redis://127.0.0.1:{port}")).expect("a store");
        all_fail(&store, &"A".repeat(70), &format!("no Redis, says {words:?}")).await;
        server.abort();
    }
}

#[tokio::test]
async fn a_mint_that_is_given_up_makes_no_second_session() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
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

#[tokio::test]
async fn errors_say_why() {
    needs_redis!();
    let mut server = Server::start();
    server.kill();
    let store = RedisStore::open(server.url()).expect("a store");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = unavailable(store.ready().await);
    let StoreError::Unavailable(cause) = error else { unreachable!() };
    assert!(cause.to_string().contains("refused"), "{cause}");
}

/// Nobody knows whether it was done: sent again, it would find its own claim and say that the
/// token was used, or make a second session where the token was claimed in a step before.
#[tokio::test]
async fn a_mint_whose_answer_is_lost_is_not_sent_again() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let patient = RedisStore::builder(proxy.url()).with_timeout(Duration::from_secs(10));
    let store = patient.connect().await.expect("a store");
    let (_, old) = sign_in(&store, "bob").await;
    for wanted in [session("alice"), session("carol").replacing(Some(&old))] {
        let issuer = wanted.token.issuer;
        // What comes before the mint itself, where another's session is replaced, is answered.
        let minting = store.mint(wanted, now());
        let sessions = format!("didt:{{{}}}:s", issuer.address().to_string().to_lowercase());
        let has_done = async || server.cli(&["exists", &sessions]) == "1";
        unavailable(proxy.lose_answer(b"created_at", minting, has_done).await);
        eventually(async || store.ready().await.is_ok()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let listed = list(&store, issuer).await;
        assert_eq!(listed.len(), 1);
    }
}
