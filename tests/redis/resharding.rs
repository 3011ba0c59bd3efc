//! Slots that change hands: whatever a process believes about them, it believes while the
//! master that said it owns the slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tower_didt::RedisStore;
use tower_didt::redis::RedisStoreBuilder;
use tower_didt::store::SessionStore;

use tower_didt_test_support::redis::ClusterOf;
use tower_didt_test_support::sessions::{
    eventually, issuer, now, opens, opens_at_once, sign_in, token, warm,
};
use tower_didt_test_support::{needs_redis, not_run};

/// The documented bound: `ping_interval + timeout`, and what a busy machine adds. Without the rule
/// that a test is about, the wait has no end.
const BOUND: Duration = Duration::from_millis(450);
const SLACK: Duration = Duration::from_millis(1500);

/// With the default times, of which the bound follows.
fn builder(cluster: &ClusterOf) -> RedisStoreBuilder {
    RedisStore::cluster_builder([&cluster.urls()[0]])
}

/// Both kinds of stores on the same cluster: machine A and machine B.
async fn machines(cluster: &ClusterOf) -> Vec<(&'static str, [Arc<dyn SessionStore>; 2])> {
    let open = async || builder(cluster).connect().await.expect("a store");
    let mut kinds: Vec<(_, [Arc<dyn SessionStore>; 2])> =
        vec![("plain", [Arc::new(open().await), Arc::new(open().await)])];
    #[cfg(feature = "sealed")]
    {
        let keys = tower_didt::SealingKeys::generate().expect("randomness");
        let sealed = async || tower_didt::SealedStore::new(keys.clone(), open().await);
        kinds.push(("sealed", [Arc::new(sealed().await), Arc::new(sealed().await)]));
    }
    kinds
}

/// The store behind an `Arc`, for the helpers.
#[derive(Debug, Clone)]
struct Machine(Arc<dyn SessionStore>);

impl std::ops::Deref for Machine {
    type Target = dyn SessionStore;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

fn opens_by_copy(store: &Machine, ticket: &str) -> bool {
    matches!(store.load(ticket, now()).try_now(), Ok(Ok(Some(_))))
}

/// Signs out at A; how long B goes on to accept the cookie, asked all the time.
async fn sign_out(
    what: &str,
    [a, b]: &[Machine; 2],
    everywhere: bool,
    ticket: &str,
    record: &tower_didt::SessionRecord,
) -> Duration {
    let begin = Instant::now();
    let (issuer, handle) = (record.issuer, record.handle);
    let mut asked_before = false;
    loop {
        let answer = match everywhere {
            true => a.revoke_all(issuer, now()).await,
            // One whose answer came too late may have ended it.
            false => a
                .revoke(issuer, handle, now())
                .await
                .map(|found| assert!(found || asked_before, "{what}")),
        };
        asked_before = true;
        // A slot on its way may cost a call its time.
        if answer.is_ok() {
            break;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}: {answer:?}");
    }
    let signed_out = Instant::now();
    while !matches!(b.load(ticket, now()).await, Ok(None)) {
        assert!(signed_out.elapsed() < Duration::from_secs(5), "{what}: B never refuses");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signed_out.elapsed()
}

async fn copied(machine: &Machine, ticket: &str) {
    eventually(async || {
        let _ = machine.load(ticket, now()).await;
        opens_by_copy(machine, ticket)
    })
    .await;
}

/// A session; a slot that has just moved may take a second attempt.
async fn signed_in(machine: &Machine, user: &str) -> (String, Arc<tower_didt::SessionRecord>) {
    let begin = Instant::now();
    loop {
        match machine.mint(tower_didt_test_support::sessions::session(user), now()).await {
            Ok(tower_didt::store::Minted::Session { ticket, record }) => {
                return (ticket.expose_secret().to_owned(), record);
            }
            other => assert!(begin.elapsed() < Duration::from_secs(10), "{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_after_a_slot_moved_reaches_machines_that_saw_nothing_of_the_move() {
    needs_redis!();
    let cluster = ClusterOf::with_an_empty_master();
    for (kind, machines) in machines(&cluster).await {
        let machines = machines.map(Machine);
        let [a, b] = &machines;
        // To one that has slots, and to one that has none yet.
        for (user, to) in [("alice", None), ("bob", Some(3)), ("carol", None), ("dave", Some(3))] {
            let everywhere = matches!(user, "alice" | "bob");
            let what = format!("{kind}, {user}, everywhere: {everywhere}");
            let (ticket, record) = signed_in(a, user).await;
            copied(b, &ticket).await;
            let slot = cluster.slot_of(record.issuer);
            let from = cluster.master_of(record.issuer);
            let to = to.filter(|to| *to != from).unwrap_or((from + 1) % 3);
            cluster.begin_move(&slot, from, to);
            cluster.move_keys(&slot, from, to, "");
            cluster.finish_move(&slot, from, to);
            let took = sign_out(&what, &machines, everywhere, &ticket, &record).await;
            println!("{what}: B refused {took:.1?} after the sign-out");
            assert!(took < BOUND + SLACK, "{what}: {took:?}");
        }
    }
}

/// Valkey's own way: a slot with its keys changes hands in one step, which no redirect announces.
/// `TOWER_DIDT_REDIS_SERVER=valkey-server`, of version 9 or newer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_after_an_atomic_migration_reaches_machines_that_saw_nothing_of_it() {
    needs_redis!();
    let cluster = ClusterOf::with_an_empty_master();
    if !cluster.moves_slots_in_one_piece() {
        not_run(module_path!(), "the server has no CLUSTER MIGRATESLOTS");
        return;
    }
    for (kind, machines) in machines(&cluster).await {
        let machines = machines.map(Machine);
        let [a, b] = &machines;
        for (user, everywhere) in [("alice", true), ("bob", false), ("carol", true)] {
            let what = format!("{kind}, {user}, everywhere: {everywhere}");
            let (ticket, record) = signed_in(a, user).await;
            copied(b, &ticket).await;
            let (slot, from) = (cluster.slot_of(record.issuer), cluster.master_of(record.issuer));
            cluster.move_in_one_piece(&slot, from, if from == 3 { 0 } else { 3 });
            let took = sign_out(&what, &machines, everywhere, &ticket, &record).await;
            println!("{what}: B refused {took:.1?} after the sign-out");
            assert!(took < BOUND + SLACK, "{what}: {took:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_believed_about_a_slot_that_is_on_its_way() {
    needs_redis!();
    let cluster = ClusterOf::with_an_empty_master();
    for (kind, machines) in machines(&cluster).await {
        let machines = machines.map(Machine);
        let [a, b] = &machines;
        for (user, everywhere) in [("alice", true), ("bob", false)] {
            let what = format!("{kind}, everywhere: {everywhere}");
            let (ticket, record) = signed_in(a, user).await;
            copied(b, &ticket).await;
            let slot = cluster.slot_of(record.issuer);
            let from = cluster.master_of(record.issuer);
            let to = if from == 3 { 0 } else { 3 };
            cluster.begin_move(&slot, from, to);
            let begin = Instant::now();
            while opens_by_copy(b, &ticket) {
                assert!(begin.elapsed() < BOUND + SLACK, "{what}: a copy of before the move");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // What is asked for now is true now, and may be wrong at the next moment.
            for _ in 0..20 {
                let _ = b.load(&ticket, now()).await;
                assert!(!opens_by_copy(b, &ticket), "{what}: a copy of half a slot");
            }
            // What is ended now is noted at the new master, of which the old one knows nothing.
            cluster.move_keys(&slot, from, to, ":b");
            cluster.move_keys(&slot, from, to, ":s");
            // Of several keys, one of them new, Redis decides when the move is over (TRYAGAIN).
            if kind == "sealed" && everywhere {
                cluster.move_keys(&slot, from, to, "");
                cluster.finish_move(&slot, from, to);
            }
            let took = sign_out(&what, &machines, everywhere, &ticket, &record).await;
            println!("{what}: B refused {took:.1?} after the sign-out amid the move");
            assert!(took < BOUND + SLACK, "{what}: {took:?}");
            if !(kind == "sealed" && everywhere) {
                cluster.move_keys(&slot, from, to, "");
                cluster.finish_move(&slot, from, to);
            }
            assert!(!matches!(b.load(&ticket, now()).await, Ok(Some(_))), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_go_when_the_keys_of_a_slot_vanish_without_a_message() {
    needs_redis!();
    let cluster = ClusterOf::with_an_empty_master();
    for (kind, machines) in machines(&cluster).await {
        let [a, b] = machines.map(Machine);
        for (user, to) in [("alice", 3), ("bob", 0)] {
            let (ticket, record) = signed_in(&a, user).await;
            copied(&b, &ticket).await;
            let slot = cluster.slot_of(record.issuer);
            let from = cluster.master_of(record.issuer);
            let to = if from == to { (to + 1) % 3 } else { to };
            cluster.force_move(&slot, from, to);
            // The old master stays up, answers every ping, and reports no change of any key.
            let begin = Instant::now();
            while opens_by_copy(&b, &ticket) {
                assert!(begin.elapsed() < BOUND + SLACK, "{kind}: believed for too long");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            println!("{kind}: keys vanished, the copy was dropped after {:.1?}", begin.elapsed());
        }
    }
}

/// With pings a minute apart only what the servers answer can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_drops_the_copies_of_its_slot_at_once() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    // What a store knows of the cluster is up to a minute old here: each attempt has a new one, which has
    // read the map of the cluster for a second time, as it does soon after its start.
    let new_store = async || {
        let minute = Duration::from_secs(60);
        let store = builder(&cluster).with_ping_interval(minute).connect().await;
        tokio::time::sleep(Duration::from_millis(400)).await;
        store.expect("a store")
    };
    let (alice, slot) = (issuer("alice"), cluster.slot_of(issuer("alice")));
    let (mut from, mut to) = (cluster.master_of(alice), (cluster.master_of(alice) + 1) % 3);
    // ASK, for a key that is not there. The copy must be there until then: where the store read the map of
    // the cluster in between, and dropped it for that, all begins again.
    let mut attempts = 0..20;
    let (store, ticket) = loop {
        attempts.next().expect("a copy that is there when the redirect comes");
        let store = new_store().await;
        let (ticket, _) = sign_in(&store, "alice").await;
        warm(&store, &ticket).await;
        cluster.begin_move(&slot, from, to);
        if opens_at_once(&store, &ticket) {
            break (store, ticket);
        }
        end_move(&cluster, &slot, from, to);
    };
    // Its answer does not matter: of two keys that are not there yet it may be that nobody can tell.
    let _ = store.state_of(token("alice"), now()).await;
    assert!(!opens_at_once(&store, &ticket), "a copy survived ASK");
    end_move(&cluster, &slot, from, to);
    // MOVED, with the keys lost.
    let mut attempts = 0..20;
    let (store, ticket, other) = loop {
        attempts.next().expect("a copy that is there when the redirect comes");
        let store = new_store().await;
        let (ticket, _) = sign_in(&store, "alice").await;
        let (other, _) = sign_in(&store, "alice").await;
        warm(&store, &ticket).await;
        cluster.force_move(&slot, from, to);
        eventually(async || cluster.master_of(alice) == to).await;
        eventually(async || {
            let key = format!("didt:{{{}}}:s", alice.address().to_string().to_lowercase());
            cluster.nodes[from].cli(&["hlen", &key]).starts_with("MOVED")
        })
        .await;
        // Valkey reports keys that are lost with their slot: then it is gone by now, as it should be.
        if opens_at_once(&store, &ticket) || cluster.moves_slots_in_one_piece() {
            break (store, ticket, other);
        }
        (from, to) = (to, from);
    };
    assert!(!opens(&store, &other).await, "lost with its slot");
    assert!(!opens_at_once(&store, &ticket), "a copy survived MOVED");
}

/// Ends a move that has not begun to move keys.
fn end_move(cluster: &ClusterOf, slot: &str, from: usize, to: usize) {
    for node in [from, to] {
        cluster.nodes[node].cli(&["cluster", "setslot", slot, "stable"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resharding_under_load_costs_no_answer_and_no_sign_out() {
    needs_redis!();
    let cluster = ClusterOf::with_an_empty_master();
    let users: Vec<_> = (0..40).map(|n| format!("user {n}")).collect();
    for (kind, machines) in machines(&cluster).await {
        let machines = machines.map(Machine);
        let [a, b] = &machines;
        let mut sessions = Vec::new();
        for user in &users {
            sessions.push(signed_in(a, user).await);
        }
        let over = Arc::new(AtomicBool::new(false));
        let load = {
            let (b, over) = (b.clone(), Arc::clone(&over));
            let tickets: Vec<_> = sessions.iter().map(|(ticket, _)| ticket.clone()).collect();
            tokio::spawn(async move {
                let (mut answers, mut errors) = (0_u32, 0_u32);
                while !over.load(Ordering::Relaxed) {
                    for ticket in &tickets {
                        match b.load(ticket, now()).await {
                            Ok(found) => {
                                assert!(found.is_some(), "a session was lost");
                                answers += 1;
                            }
                            Err(_) => errors += 1,
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                (answers, errors)
            })
        };
        // Every slot of the users goes to the fourth master, or back from it.
        for (_, record) in &sessions {
            let (slot, from) = (cluster.slot_of(record.issuer), cluster.master_of(record.issuer));
            let to = if from == 3 { 0 } else { 3 };
            cluster.begin_move(&slot, from, to);
            cluster.move_keys(&slot, from, to, "");
            cluster.finish_move(&slot, from, to);
        }
        over.store(true, Ordering::Relaxed);
        let (answers, errors) = load.await.expect("no session is lost");
        println!("{kind}, resharding: {answers} answers, {errors} errors");
        assert!(errors * 100 <= answers, "{kind}: {errors} errors of {answers}");
        for (number, (ticket, record)) in sessions.iter().enumerate() {
            let took = sign_out(kind, &machines, number % 2 == 0, ticket, record).await;
            assert!(took < BOUND + SLACK, "{kind}: {took:?}");
        }
    }
}
