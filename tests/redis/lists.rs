//! Lists and limits: what they cost, and what becomes of what older versions stored.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::time::Duration;

use tower_didt::store::{MAX_ENDED_PER_MINT, Minted, PageRequest, SessionStore};
use tower_didt::{Issuer, RedisStore, SessionLimit};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::sessions::{
    issuer, list, now, opens, pages_of_issuers, session, sign_in, unavailable,
};

/// Writes sessions as versions without an index did, numbered from `first` to `last`.
const OLDER_VERSION: &str = r#"
local first, last, ends = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4]
for number = first, last do
  local handle = string.format('%064x', number)
  redis.call('HSET', KEYS[1], handle, string.format('1 %d %s 1 ', number, ends) ..
    '{"handle":"' .. handle .. '","issuer":"' .. ARGV[3] ..
    '","created_at":1,"last_seen":1,"expires_at":' .. ends .. '}')
end
redis.call('HSET', KEYS[1], '#', last .. ' 32')
redis.call('PEXPIRE', KEYS[1], 3600000)
"#;

fn key(issuer: Issuer, name: &str) -> String {
    format!("didt:{{{}}}:{name}", issuer.address().to_string().to_lowercase())
}

fn write_as_older_version(server: &Server, issuer: Issuer, first: usize, last: usize) {
    let (sessions, ends) =
        (key(issuer, "s"), now().plus(tower_didt_test_support::sessions::LIFETIME).as_secs());
    let [first, last, ends] = [first.to_string(), last.to_string(), ends.to_string()];
    let issuer = issuer.to_string();
    let answer =
        server.cli(&["eval", OLDER_VERSION, "1", &sessions, &first, &last, &issuer, &ends]);
    assert_eq!(answer, "", "{answer}");
}

/// The numbers that [`OLDER_VERSION`] gave, page by page; 0 for sessions of this version.
async fn numbers(store: &RedisStore, issuer: Issuer) -> Vec<u64> {
    let (mut request, mut all) = (PageRequest::first(), Vec::new());
    loop {
        let page = store.sessions_of(issuer, request, now()).await.expect("an answer");
        assert!(page.sessions.len() <= 100);
        all.extend(page.sessions.iter().map(|record| {
            let (random, number) = record.handle.as_bytes().split_last_chunk().expect("32 bytes");
            if random.iter().all(|byte| *byte == 0) { u64::from_be_bytes(*number) } else { 0 }
        }));
        let Some(next) = page.next else { return all };
        request = PageRequest::after(next);
    }
}

/// How often each command was run, in scripts too. Those that keep the connection up do not count.
fn commands(server: &Server) -> BTreeMap<String, u64> {
    let told = server.cli(&["info", "commandstats"]);
    let calls = told.lines().filter_map(|line| {
        let (name, calls) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let upkeep = ["hello", "client", "config", "info", "role", "cluster"];
        let counts = !upkeep.iter().any(|known| name.starts_with(known));
        counts.then(|| Some((name.to_owned(), calls.split(',').next()?.parse().ok()?)))?
    });
    calls.collect()
}

/// What a call costs: commands, and bytes that Redis sent for it.
async fn cost<T>(server: &Server, call: impl Future<Output = T>) -> BTreeMap<String, u64> {
    server.cli(&["config", "resetstat"]);
    call.await;
    commands(server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_issuers_of_all_masters_are_listed_and_no_other_prefix_is() {
    needs_redis!();
    let cluster = tower_didt_test_support::redis::ClusterOf::masters();
    // Characters that patterns give a meaning to.
    let builder = |prefix: &str| RedisStore::cluster_builder(cluster.urls()).with_prefix(prefix);
    let store = builder("a*[b]?").connect().await.expect("a store");
    let other = builder("aX[b]?").connect().await.expect("a store");
    let names: Vec<_> = (0..30).map(|n| format!("user {n}")).collect();
    for name in &names {
        sign_in(&store, name).await;
    }
    sign_in(&other, "stranger").await;
    let listed: BTreeSet<_> = pages_of_issuers(&store).await.concat().into_iter().collect();
    assert_eq!(listed, names.iter().map(|name| issuer(name)).collect());
}

#[tokio::test]
async fn no_call_costs_more_commands_because_there_are_more_sessions() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::builder(server.url()).with_local_copies(0).open().expect("a store");
    let costs = async |user: &str, sessions: usize| {
        let issuer = issuer(user);
        write_as_older_version(&server, issuer, 1, sessions);
        assert_eq!(numbers(&store, issuer).await.len(), sessions);
        let (ticket, record) = {
            let unlimited = session(user).with_limit(SessionLimit::Unlimited);
            match store.mint(unlimited, now()).await.expect("an answer") {
                Minted::Session { ticket, record } => (ticket, record),
                other => panic!("{other:?}"),
            }
        };
        let unlimited = session(user).with_limit(SessionLimit::Unlimited);
        [
            cost(&server, store.sessions_of(issuer, PageRequest::first(), now())).await,
            cost(&server, store.load(ticket.expose_secret(), now())).await,
            cost(&server, store.touch(&record, now())).await,
            cost(&server, store.mint(unlimited, now())).await,
            cost(&server, store.mint(session(user), now())).await,
            cost(&server, store.revoke(issuer, record.handle, now())).await,
            cost(&server, store.revoke_all(issuer, now())).await,
        ]
    };
    // Sends every script in full for once.
    costs("carol", 300).await;
    let few = costs("alice", 400).await;
    assert_eq!(costs("bob", 4_000).await, few);
    for cost in &few {
        assert!(!cost.is_empty(), "nothing was counted");
        for whole in ["hgetall", "hkeys", "hvals", "hscan"] {
            assert!(!cost.contains_key(whole), "{whole}: {cost:?}");
        }
    }
}

#[tokio::test]
async fn a_page_is_all_that_redis_sends_for_a_list() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::builder(server.url()).with_local_copies(0).open().expect("a store");
    write_as_older_version(&server, issuer("alice"), 1, 4_000);
    assert_eq!(numbers(&store, issuer("alice")).await, (1..=4_000).collect::<Vec<_>>());
    server.cli(&["config", "resetstat"]);
    list(&store, issuer("alice")).await;
    let stats = server.cli(&["info", "stats"]);
    let sent = stats.lines().find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    let sent: u64 = sent.and_then(|sent| sent.trim().parse().ok()).expect("a number");
    // A hundred records of some 350 bytes with their handles, and what redis-cli is sent.
    assert!((20_000..80_000).contains(&sent), "{sent} bytes for a page");
}

#[tokio::test]
async fn more_sessions_than_one_call_can_put_in_order_are_an_error_until_they_are() {
    needs_redis!();
    let server = Server::start();
    // What is bounded is the number of calls, on a busy machine too.
    let store = RedisStore::builder(server.url()).with_timeout(Duration::from_secs(30));
    let store = store.connect().await.expect("a store");
    write_as_older_version(&server, issuer("alice"), 1, 9_000);
    let first = store.sessions_of(issuer("alice"), PageRequest::first(), now()).await;
    unavailable(first);
    let indexed: usize = server.cli(&["zcard", &key(issuer("alice"), "i")]).parse().expect("one");
    assert!((3_000..9_000).contains(&indexed), "{indexed} after one call");
    for _ in 0..2 {
        let _ = store.sessions_of(issuer("alice"), PageRequest::first(), now()).await;
    }
    assert_eq!(numbers(&store, issuer("alice")).await, (1..=9_000).collect::<Vec<_>>());
    assert_eq!(server.cli(&["exists", &key(issuer("alice"), "c")]), "0", "it is done");
}

#[tokio::test]
async fn what_an_older_version_stored_above_the_limit_ends_in_bounded_steps() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let alice = issuer("alice");
    write_as_older_version(&server, alice, 1, 1_000);
    let count = || -> usize {
        let fields: usize = server.cli(&["hlen", &key(alice, "s")]).parse().expect("a number");
        fields - 1
    };
    let (mut before, mut tickets) = (count(), Vec::new());
    for _ in 0..30 {
        let (ticket, _) = sign_in(&store, "alice").await;
        tickets.push(ticket);
        let after = count();
        assert!(before + 1 - after <= MAX_ENDED_PER_MINT, "{before} sessions, then {after}");
        before = after;
    }
    assert_eq!(before, 256);
    for ticket in &tickets {
        assert!(opens(&store, ticket).await, "a new session ended in the place of an old one");
    }
    // What is left of the old ones are the newest of them, and then the new ones.
    let mut expected: Vec<u64> = (775..=1_000).collect();
    expected.extend([0; 30]);
    assert_eq!(numbers(&store, alice).await, expected);
}

#[tokio::test]
async fn an_older_version_may_run_beside_this_one() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let alice = issuer("alice");
    let (sessions, handle) = (key(alice, "s"), |number: u64| format!("{number:064x}"));
    let (own, record) = sign_in(&store, "alice").await;
    server.cli(&["del", &sessions]);
    assert!(!opens(&store, &own).await, "the older version signed out everywhere");
    assert_eq!(list(&store, alice).await, []);
    // It makes sessions, and this version sees them in their order.
    write_as_older_version(&server, alice, 1, 5);
    assert_eq!(numbers(&store, alice).await, [1, 2, 3, 4, 5]);
    // It ends one, and it ends one and makes one, so that the number is the same.
    server.cli(&["hdel", &sessions, &handle(2)]);
    assert_eq!(numbers(&store, alice).await, [1, 3, 4, 5]);
    server.cli(&["hdel", &sessions, &handle(4)]);
    write_as_older_version(&server, alice, 6, 6);
    assert_eq!(numbers(&store, alice).await, [1, 3, 5, 6]);
    // The same before a sign-in that has to end the oldest.
    server.cli(&["hdel", &sessions, &handle(1)]);
    write_as_older_version(&server, alice, 7, 7);
    let three = SessionLimit::AtMost(NonZeroUsize::new(3).expect("not 0"));
    for _ in 0..2 {
        store.mint(session("alice").with_limit(three), now()).await.expect("an answer");
    }
    assert_eq!(numbers(&store, alice).await, [7, 0, 0]);
    // What this version made is counted on from there.
    let meta = server.cli(&["hget", &sessions, "#"]);
    assert!(meta.ends_with(" 32"), "{meta}: as the older version reads it");
    drop(record);
}
