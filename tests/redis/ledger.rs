//! Redis as the ledger of sessions that live in their cookies.

use std::time::{Duration, Instant};

use tower_didt::store::{Minted, NewSession, SessionStore};
use tower_didt::testing::store_suite::StoreSuite;
use tower_didt::{Issuer, RedisStore, SealedStore, SealingKeys, StoreError, Timestamp};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::sessions::{
    LIFETIME, Times, eventually, issuer, now, opens, opens_at_once, session, sign_in, token,
    unavailable, warm,
};

fn keys() -> SealingKeys {
    SealingKeys::generate().expect("randomness")
}

/// One machine: a connection of its own.
async fn machine(keys: &SealingKeys, url: impl Into<String>) -> SealedStore {
    SealedStore::new(keys.clone(), RedisStore::connect(url).await.expect("a store"))
}

fn key_of(issuer: Issuer, what: &str) -> String {
    format!("didt:{{{}}}:{what}", issuer.address().to_string().to_lowercase())
}

async fn sign_in_at(store: &SealedStore, session: NewSession, now: Timestamp) -> String {
    match store.mint(session, now).await.expect("an answer") {
        Minted::Session { ticket, .. } => ticket.expose_secret().to_owned(),
        other => panic!("{other:?}"),
    }
}

fn suite(builder: &tower_didt::redis::RedisStoreBuilder) -> StoreSuite {
    let (keys, builder) = (keys(), builder.clone().with_timeout(Duration::from_secs(10)));
    StoreSuite::new(move || {
        let store = SealedStore::new(keys.clone(), builder.open().expect("a store"));
        async move { store }
    })
    .with_spawner(|task| drop(tokio::spawn(task)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_sessions_with_one_server_pass_the_suite_of_all_stores() {
    needs_redis!();
    let server = Server::start();
    let builder = RedisStore::builder(server.url());
    suite(&builder).run().await;
    suite(&builder.with_local_copies(0)).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sealed_sessions_with_a_cluster_pass_the_suite_of_all_stores() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    suite(&RedisStore::cluster_builder([&cluster.urls()[0]])).run().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ended_is_asked_for_once() {
    needs_redis!();
    let server = Server::start();
    let store = machine(&keys(), server.url()).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    assert!(!opens_at_once(&store, &ticket));
    warm(&store, &ticket).await;
    let calls = || {
        let stats = server.cli(&["info", "commandstats"]);
        stats.lines().find(|line| line.starts_with("cmdstat_hgetall:")).expect("a line").to_owned()
    };
    let before = calls();
    let (begin, now) = (Instant::now(), now());
    for _ in 0..1000 {
        assert!(matches!(store.load(&ticket, now).try_now(), Ok(Ok(Some(_)))));
    }
    println!("a sealed session, its issuer's ends copied: {:.1?}", begin.elapsed() / 1000);
    // Nor for another session of the same issuer, nor after one is made.
    let (other, _) = sign_in(&store, "alice").await;
    assert!(opens_at_once(&store, &other) && opens_at_once(&store, &ticket));
    // Writing down that it is in use asks whether its data was changed, and for nothing else.
    let touched = store.touch(&record, now.plus(Duration::from_secs(60))).await;
    assert!(touched.expect("an answer").renewed.is_some());
    assert_eq!(calls(), before);

    let strict = RedisStore::builder(server.url()).with_local_copies(0);
    let strict = SealedStore::new(keys(), strict.connect().await.expect("a store"));
    let (ticket, _) = sign_in(&strict, "bob").await;
    assert!(opens(&strict, &ticket).await);
    assert!(!opens_at_once(&strict, &ticket));
    let begin = Instant::now();
    for _ in 0..1000 {
        assert!(opens(&strict, &ticket).await);
    }
    println!("a sealed session, its issuer's ends asked for: {:.0?}", begin.elapsed() / 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_is_heard_of_on_other_machines_within_milliseconds() {
    needs_redis!();
    let server = Server::start();
    let keys = keys();
    let (a, b) = (machine(&keys, server.url()).await, machine(&keys, server.url()).await);
    for everywhere in [false, true] {
        let mut times = Vec::new();
        for n in 0..250 {
            let (ticket, record) = sign_in(&a, &format!("user {n}")).await;
            let (other, _) = sign_in(&b, &format!("user {n}")).await;
            warm(&b, &ticket).await;
            let begin = Instant::now();
            if everywhere {
                a.revoke_all(record.issuer, now()).await.expect("an answer");
            } else {
                assert!(a.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
            }
            assert!(!opens(&a, &ticket).await, "refused at once where it was ended");
            while opens(&b, &ticket).await {
                assert!(begin.elapsed() < Duration::from_secs(5), "the session never ends");
                tokio::task::yield_now().await;
            }
            times.push(begin.elapsed());
            assert_eq!(opens(&b, &other).await, !everywhere);
            assert!(b.touch(&record, now()).await.expect("an answer").renewed.is_none());
            assert!(!b.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
            // What is made afterwards lives, wherever that is.
            let (next, _) = sign_in(&b, &format!("user {n}")).await;
            assert!(opens(&b, &next).await && opens(&a, &next).await);
        }
        let times = Times::new(times);
        let what = if everywhere { "revoke_all" } else { "revoke" };
        times.report(&format!("sealed, from {what} on A to refusal on B"));
        assert!(times.median() < Duration::from_millis(50));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_makes_one_session_on_all_machines() {
    needs_redis!();
    let server = Server::start();
    let keys = keys();
    let (a, b) = (machine(&keys, server.url()).await, machine(&keys, server.url()).await);
    let session = session("alice");
    let mints: Vec<_> = (0..50)
        .map(|n| {
            let (store, session) = (if n % 2 == 0 { &a } else { &b }.clone(), session.clone());
            tokio::spawn(async move { store.mint(session, now()).await.expect("an answer") })
        })
        .collect();
    let mut made = 0;
    for mint in mints {
        made += usize::from(matches!(mint.await.expect("no panic"), Minted::Session { .. }));
    }
    assert_eq!(made, 1);
    // A store that keeps its sessions in the same Redis counts the same tokens.
    let plain = RedisStore::connect(server.url()).await.expect("a store");
    assert!(matches!(plain.mint(session, now()).await, Ok(Minted::AlreadyUsed)));
}

#[tokio::test]
async fn births_follow_ends_whatever_the_clocks_of_the_machines_say() {
    needs_redis!();
    let server = Server::start();
    let keys = keys();
    let (a, b) = (machine(&keys, server.url()).await, machine(&keys, server.url()).await);
    let (day, now) = (Duration::from_secs(86_400), now());
    let behind = Timestamp::from_secs_f64(now.as_secs_f64() - day.as_secs_f64()).expect("a time");
    let mad = Timestamp::from_secs(1 << 45);
    for at in [now.plus(day), behind, now, mad, behind] {
        // A's clock is off, in the end by a million years; B's is right.
        let mut wanted = session("alice");
        wanted.expires_at = at.plus(2 * day);
        let older = sign_in_at(&a, wanted, at).await;
        b.revoke_all(issuer("alice"), now).await.expect("an answer");
        for store in [&a, &b] {
            eventually(async || store.load(&older, at).await.expect("an answer").is_none()).await;
        }
        for (store, at) in [(&a, behind), (&b, now), (&a, at)] {
            let mut wanted = session("alice");
            wanted.expires_at = at.plus(2 * day);
            let younger = sign_in_at(store, wanted, at).await;
            assert!(a.load(&younger, at).await.expect("an answer").is_some(), "{at:?}");
            assert!(b.load(&younger, at).await.expect("an answer").is_some(), "{at:?}");
            b.revoke_all(issuer("alice"), now).await.expect("an answer");
            assert!(b.load(&younger, at).await.expect("an answer").is_none(), "{at:?}");
        }
    }
    // Carried over all digits.
    let ends = key_of(issuer("bob"), "e");
    server.cli(&["hset", &ends, "#", "1 04611686019999999999"]);
    let (ticket, _) = sign_in(&a, "bob").await;
    assert!(opens(&b, &ticket).await);
    let latest = server.cli(&["get", &key_of(issuer("bob"), "b")]);
    assert_eq!(latest, "1 04611686020000000000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_session_born_before_the_end_of_all_survives_it() {
    needs_redis!();
    let server = Server::start();
    let keys = keys();
    let (a, b) = (machine(&keys, server.url()).await, machine(&keys, server.url()).await);
    for _ in 0..30 {
        let mints: Vec<_> = (0..8)
            .map(|n| {
                let (store, session) = (if n % 2 == 0 { &a } else { &b }.clone(), session("alice"));
                tokio::spawn(async move { store.mint(session, now()).await.expect("an answer") })
            })
            .collect();
        a.revoke_all(issuer("alice"), now()).await.expect("an answer");
        let mut tickets = Vec::new();
        for mint in mints {
            if let Minted::Session { ticket, .. } = mint.await.expect("no panic") {
                tickets.push(ticket);
            }
        }
        b.revoke_all(issuer("alice"), now()).await.expect("an answer");
        for ticket in &tickets {
            assert!(!opens(&b, ticket.expose_secret()).await);
            eventually(async || !opens(&a, ticket.expose_secret()).await).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_sessions_stay_ended_over_restarts_of_the_process_and_of_redis() {
    needs_redis!();
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let keys = keys();
    let store = machine(&keys, server.url()).await;
    let (alive, _) = sign_in(&store, "alice").await;
    let (one, record) = sign_in(&store, "alice").await;
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    let used = session("bob");
    let all = sign_in_at(&store, used.clone(), now()).await;
    store.revoke_all(used.token.issuer, now()).await.expect("an answer");
    for restart in ["process", "server"] {
        if restart == "server" {
            server.kill();
            server.boot();
        }
        let store = machine(&keys, server.url()).await;
        assert!(!opens(&store, &one).await, "{restart}");
        assert!(!opens(&store, &all).await, "{restart}");
        assert!(opens(&store, &alive).await, "{restart}");
        assert!(matches!(store.mint(used.clone(), now()).await, Ok(Minted::Revoked)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_no_session_opens_and_afterwards_they_do() {
    needs_redis!();
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = machine(&keys(), server.url()).await;
    let (ticket, record) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    server.kill();
    let took = eventually(async || !opens_at_once(&store, &ticket)).await;
    println!("sealed, Redis killed, copies dropped after {took:.1?}");
    let mut times = Vec::new();
    let limit = Duration::from_secs(1);
    for _ in 0..3 {
        let begin = Instant::now();
        unavailable(store.load(&ticket, now()).await);
        assert!(begin.elapsed() < limit);
        times.push(begin.elapsed());
        unavailable(store.touch(&record, now()).await);
        unavailable(store.mint(session("alice"), now()).await);
        unavailable(store.state_of(token("alice"), now()).await);
        unavailable(store.advance(token("alice"), now()).await);
        unavailable(store.revoke(record.issuer, record.handle, now()).await);
        unavailable(store.revoke_all(record.issuer, now()).await);
    }
    Times::new(times).report("sealed, Redis killed, from load to error");
    // What none of our keys sealed is known without Redis.
    assert!(!opens(&store, "x").await);
    server.boot();
    let took = eventually(async || store.load(&ticket, now()).await.is_ok()).await;
    println!("sealed, from the return of Redis to an answer: {took:.1?}");
    assert!(opens(&store, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_behind_a_dead_network_accepts_no_ended_session_for_long() {
    needs_redis!();
    let server = Server::start();
    let proxy = Proxy::before(server.port).await;
    let keys = keys();
    let (a, b) = (machine(&keys, server.url()).await, machine(&keys, proxy.url()).await);
    let mut times = Vec::new();
    for n in 0..5 {
        let (ticket, record) = sign_in(&a, &format!("user {n}")).await;
        warm(&b, &ticket).await;
        proxy.hold_up();
        a.revoke_all(record.issuer, now()).await.expect("an answer");
        let begin = Instant::now();
        while opens_at_once(&b, &ticket) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        times.push(begin.elapsed());
        unavailable(b.load(&ticket, now()).await);
        proxy.mend();
        eventually(async || b.load(&ticket, now()).await.is_ok()).await;
        assert!(!opens(&b, &ticket).await);
    }
    let times = Times::new(times);
    times.report("sealed, dead network, last use after the sign-out (bound 450 ms)");
    assert!(times.percentile(100) < Duration::from_millis(600));
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_expires_by_itself() {
    needs_redis!();
    let server = Server::start();
    let store = machine(&keys(), server.url()).await;
    let (oldest, _) = sign_in(&store, "alice").await;
    let ends = key_of(issuer("alice"), "e");
    let mut tickets = Vec::new();
    for n in 0..150 {
        let (ticket, record) = sign_in(&store, "alice").await;
        assert!(opens(&store, &ticket).await, "{n}");
        assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
        tickets.push(ticket);
    }
    for ticket in &tickets {
        assert!(!opens(&store, ticket).await);
    }
    assert!(!opens(&store, &oldest).await, "refused rather than uncertain");
    assert_eq!(server.cli(&["hlen", &ends]), "65");
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    assert_eq!(server.cli(&["hlen", &ends]), "1");
    let day = 86_400;
    let ttl = |key: &str| server.cli(&["ttl", key]).parse::<i64>().expect("a number");
    let expected = 400 * day + 300;
    for key in [&ends, &key_of(issuer("alice"), "b")] {
        assert!((expected - 30..=expected).contains(&ttl(key)), "{key}: {}", ttl(key));
    }

    // One that is ended alone is remembered until its own end, and then swept out.
    let (ticket, record) = sign_in(&store, "bob").await;
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    let ends = key_of(issuer("bob"), "e");
    let expected = LIFETIME.as_secs() as i64 + 300;
    assert!((expected - 30..=expected).contains(&ttl(&ends)), "{}", ttl(&ends));
    let later = now().plus(LIFETIME + Duration::from_secs(301));
    let mut next = session("bob");
    next.expires_at = later.plus(LIFETIME);
    let Ok(Minted::Session { record, .. }) = store.mint(next, later).await else { panic!() };
    assert!(!opens(&store, &ticket).await);
    assert!(store.revoke(record.issuer, record.handle, later).await.expect("an answer"));
    assert_eq!(server.cli(&["hlen", &ends]), "1");
}

/// As after a rollback, or of another type: the issuer's sessions are lost, nobody is locked out,
/// and nothing that was ended comes back.
#[tokio::test]
async fn ends_that_cannot_be_read_end_what_was_there_and_let_their_user_sign_in() {
    needs_redis!();
    let server = Server::start();
    let store = machine(&keys(), server.url()).await;
    let (ends, births) = (key_of(issuer("alice"), "e"), key_of(issuer("alice"), "b"));
    let line = |text: &'static str| {
        let (server, ends) = (&server, &ends);
        move || drop(server.cli(&["hset", ends, "#", text]))
    };
    let of_another_type = |key: &str| {
        server.cli(&["del", key]);
        server.cli(&["set", key, "x"]);
    };
    let lines = [line(""), line("garbage"), line("1 5"), line("2 00000000000000000001")];
    let all_new = || {
        server.cli(&["hset", &ends, "#", "2 00000000000000000001"]);
        server.cli(&["set", &births, "2 00000000000000000001"]);
    };
    let other_types = || {
        of_another_type(&ends);
        server.cli(&["del", &births]);
        server.cli(&["hset", &births, "a", "b"]);
    };
    let mut ways: Vec<&dyn Fn()> = lines.iter().map(|way| way as &dyn Fn()).collect();
    ways.extend([&all_new as &dyn Fn(), &other_types]);
    for (number, spoil) in ways.into_iter().enumerate() {
        let (ended, record) = sign_in(&store, "alice").await;
        assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
        let (alive, other) = sign_in(&store, "alice").await;
        spoil();
        for ticket in [&ended, &alive] {
            eventually(async || {
                matches!(store.load(ticket, now()).await, Err(StoreError::Corrupt(_)) | Ok(None))
            })
            .await;
        }
        if number % 2 == 0 {
            // Signing out works, of one session.
            store.revoke(other.issuer, other.handle, now()).await.expect("an answer");
        }
        let (new, _) = sign_in(&store, "alice").await;
        assert!(opens(&store, &new).await, "{number}");
        for ticket in [&ended, &alive] {
            assert!(!opens(&store, ticket).await, "{number}: it came back");
        }
        // And everywhere.
        spoil();
        store.revoke_all(issuer("alice"), now()).await.expect("an answer");
        for ticket in [&ended, &alive, &new] {
            assert!(!opens(&store, ticket).await, "{number}: it survived everywhere");
        }
        let (next, _) = sign_in(&store, "alice").await;
        assert!(opens(&store, &next).await, "{number}");
    }
    // One that a later version ended has ended, and is in nobody's way.
    let (ticket, record) = sign_in(&store, "bob").await;
    server.cli(&["hset", &key_of(issuer("bob"), "e"), &record.handle.to_string(), "2 later"]);
    eventually(async || !opens(&store, &ticket).await).await;
    let (other, record) = sign_in(&store, "bob").await;
    assert!(opens(&store, &other).await);
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    assert!(!opens(&store, &other).await);
}

#[tokio::test]
async fn a_server_out_of_memory_forgets_no_end() {
    needs_redis!();
    let server = Server::start();
    let store = machine(&keys(), server.url()).await;
    let (ended, record) = sign_in(&store, "alice").await;
    let (alive, other) = sign_in(&store, "alice").await;
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    server.cli(&["config", "set", "maxmemory", "1"]);
    let wanted = session("alice");
    unavailable(store.mint(wanted.clone(), now()).await);
    unavailable(store.revoke(other.issuer, other.handle, now()).await);
    unavailable(store.revoke_all(other.issuer, now()).await);
    assert!(opens(&store, &alive).await && !opens(&store, &ended).await);
    server.cli(&["config", "set", "maxmemory", "0"]);
    assert!(matches!(store.mint(wanted, now()).await, Ok(Minted::Session { .. })));
    store.revoke_all(other.issuer, now()).await.expect("an answer");
    assert!(!opens(&store, &alive).await);
}

#[tokio::test]
async fn a_user_with_the_documented_rights_suffices() {
    needs_redis!();
    let server = Server::start();
    let rights = "~didt:* resetchannels -@all +client|tracking +eval +evalsha +exists +get +set \
        +hget +hgetall +hset +hdel +hlen +hexists +pttl +pexpire +del +unlink";
    let mut command = vec!["acl", "setuser", "app", "on", ">secret"];
    command.extend(rights.split_whitespace());
    assert_eq!(server.cli(&command), "OK");
    let store = machine(&keys(), format!("redis://app:secret@127.0.0.1:{}", server.port)).await;
    let (_, record) = sign_in(&store, "alice").await;
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    assert!(store.advance(token("alice"), now()).await.expect("an answer"));
    warm(&store, &ticket).await;
    store.revoke_all(record.issuer, now()).await.expect("an answer");
    assert!(!opens(&store, &ticket).await);
}
