//! Redis Sentinel: masters that are replaced while people sign in, and Sentinels that are away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tower_didt::RedisStore;
use tower_didt::redis::RedisConfigError;
use tower_didt::store::{Minted, SessionStore};
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::sentinel::Watched;

use tower_didt_test_support::sessions::{
    eventually, in_full, now, opens, opens_at_once, session, sign_in, unavailable, warm,
};

async fn store(watched: &Watched) -> RedisStore {
    let builder = RedisStore::sentinel_builder(Watched::master_url(), watched.sentinel_urls());
    builder.connect().await.expect("a store")
}

/// What was acknowledged has to be at the replicas, or the failover loses it.
fn replicated(watched: &Watched) {
    assert_eq!(watched.servers[watched.master()].cli(&["wait", "2", "2000"]), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_are_killed_under_load_and_no_answer_is_wrong() {
    needs_redis!();
    let mut watched = Watched::start();
    let (a, b) = (store(&watched).await, store(&watched).await);
    let (living, record) = sign_in(&a, "alice").await;
    let (ended, mallory) = sign_in(&a, "mallory").await;
    for store in [&a, &b] {
        warm(store, &living).await;
        warm(store, &ended).await;
    }
    a.revoke(mallory.issuer, mallory.handle, now()).await.expect("an answer");
    eventually(async || !opens_at_once(&b, &ended)).await;
    replicated(&watched);

    let (stop, wrong) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = [a.clone(), b.clone()].map(|store| {
        let (stop, wrong) = (Arc::clone(&stop), Arc::clone(&wrong));
        let (living, ended) = (living.clone(), ended.clone());
        tokio::spawn(async move {
            let mut answered = 0_usize;
            while !stop.load(Ordering::Relaxed) {
                // An error is an answer too: it is not a wrong one.
                let loaded = store.load(&living, now()).await;
                wrong.fetch_add(usize::from(matches!(loaded, Ok(None))), Ordering::Relaxed);
                answered += usize::from(loaded.is_ok());
                let loaded = store.load(&ended, now()).await;
                wrong.fetch_add(usize::from(matches!(loaded, Ok(Some(_)))), Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answered
        })
    });

    // There are two replicas: each takes over once.
    for _ in 0..2 {
        let old = watched.master();
        watched.servers[old].kill();
        let killed = Instant::now();
        eventually(async || watched.master() != old).await;
        let promoted = Instant::now();
        let signed_in =
            async || matches!(a.mint(session("bob"), now()).await, Ok(Minted::Session { .. }));
        eventually(signed_in).await;
        println!(
            "the Sentinels named another master after {:.1?}; sign-ins worked {:.1?} later",
            promoted - killed,
            promoted.elapsed()
        );
        // It connects again in its own time: until then an error is an answer here too.
        eventually(async || matches!(b.load(&living, now()).await, Ok(Some(_)))).await;
    }

    // The pushes of the new master reach both.
    warm(&b, &living).await;
    a.revoke(record.issuer, record.handle, now()).await.expect("an answer");
    stop.store(true, Ordering::Relaxed);
    for task in load {
        assert!(task.await.expect("a task") > 0);
    }
    let took = eventually(async || !opens_at_once(&b, &living)).await;
    println!("revoked on A, dropped on B after {took:.1?}");
    assert!(!opens(&a, &living).await && !opens(&b, &living).await);
    // (The load may have seen the end of `living` in its last round.)
    assert!(wrong.load(Ordering::Relaxed) <= 2, "{} wrong answers", wrong.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_was_replaced_while_it_slept_is_not_believed_when_it_wakes() {
    needs_redis!();
    let watched = Watched::start();
    let a = store(&watched).await;
    // So patient that it does not give the connection to the sleeping master up by itself.
    let patient = RedisStore::sentinel_builder(Watched::master_url(), watched.sentinel_urls())
        .with_timeout(Duration::from_secs(10));
    let b = patient.connect().await.expect("a store");
    let (ticket, record) = sign_in(&a, "alice").await;
    warm(&b, &ticket).await;
    replicated(&watched);
    let old = watched.master();
    watched.servers[old].pause();
    eventually(async || watched.master() != old).await;
    eventually(async || a.revoke(record.issuer, record.handle, now()).await.is_ok()).await;
    assert!(!opens(&a, &ticket).await);
    // It has the session still, and takes itself for the master until a Sentinel says otherwise.
    watched.servers[old].resume();
    for _ in 0..200 {
        assert!(
            !matches!(b.load(&ticket, now()).await, Ok(Some(_))),
            "the old master was believed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    eventually(async || b.load(&ticket, now()).await.is_ok()).await;
    assert!(!opens(&b, &ticket).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_of_sentinels_the_last_word_counts_for_a_while_and_then_nobody_is_believed()
 {
    needs_redis!();
    let mut watched = Watched::start();
    let store = store(&watched).await;
    let (ticket, _) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    watched.sentinels[0].kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(opens(&store, &ticket).await, "two of three are a majority");
    watched.sentinels[1].kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(opens(&store, &ticket).await, "Sentinels may be restarted");
    eventually(async || store.load(&ticket, now()).await.is_err()).await;
    let error = unavailable(store.load(&ticket, now()).await);
    assert!(in_full(&error).contains("too few Sentinels answer"), "{}", in_full(&error));
    watched.sentinels[1].boot();
    eventually(async || store.load(&ticket, now()).await.is_ok()).await;
    assert!(opens(&store, &ticket).await, "nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_and_sentinels_have_passwords_of_their_own() {
    needs_redis!();
    let watched = Watched::with_passwords("of-servers", "of-sentinels");
    let with = |password: &str| {
        let urls = watched.sentinel_urls();
        urls.iter().map(|url| url.replace("//", &format!("//:{password}@"))).collect::<Vec<_>>()
    };
    let good = RedisStore::sentinel_builder("redis://:of-servers@mymaster", with("of-sentinels"));
    let store = good.connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    assert!(opens(&store, &ticket).await);
    for (master, sentinels, refused_by) in [
        ("redis://:of-sentinels@mymaster", "of-sentinels", "Redis refused"),
        ("redis://:of-servers@mymaster", "wrong", "Sentinel 127.0.0.1:"),
    ] {
        let bad = RedisStore::sentinel_builder(master, with(sentinels));
        let error = bad.connect().await.expect_err("a wrong password");
        let said = in_full(&error);
        assert!(said.contains("WRONGPASS") && said.contains(refused_by), "{said}");
        assert!(!said.contains("of-servers") && !said.contains("of-sentinels"), "{said}");
    }
    let stranger =
        RedisStore::sentinel_builder("redis://:of-servers@another", with("of-sentinels"));
    let said = in_full(&stranger.connect().await.expect_err("no such master"));
    assert!(
        said.contains("SENTINEL MASTER") || said.contains("names no master \"another\""),
        "{said}"
    );
}

#[test]
fn settings_are_checked_without_a_runtime() {
    let sentinels = ["redis://127.0.0.1:26379", "redis://127.0.0.1:26380"];
    assert_eq!(RedisStore::sentinel_builder("redis://mymaster", sentinels).validate(), Ok(()));
    let none: [&str; 0] = [];
    for (master, sentinels) in [
        ("redis://mymaster", none.as_slice()),
        ("unix:///run/redis.sock", &sentinels),
        ("redis://mymaster", &["redis://127.0.0.1:26379/1"]),
        ("redis://mymaster", &["redis://127.0.0.1:26379", "rediss://127.0.0.1:26380"]),
    ] {
        let builder = RedisStore::sentinel_builder(master, sentinels.iter().copied());
        assert_eq!(builder.validate(), Err(RedisConfigError::InvalidUrl), "{master} {sentinels:?}");
    }
}
