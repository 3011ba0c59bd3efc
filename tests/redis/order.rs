//! Steps whose order matters, held up between them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tower_didt::RedisStore;
use tower_didt::store::SessionStore;

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::proxy::Proxy;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::sessions::{eventually, issuer, now, sign_in};

const MINUTE: Duration = Duration::from_secs(60);

/// What a server answers about a slot that it is taking over.
fn asking(server: &Server, command: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
    for words in [&["ASKING"][..], command, &["QUIT"]] {
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            text.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        stream.write_all(text.as_bytes()).expect("a connection");
    }
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("answers");
    let answers = answers.strip_prefix("+OK\r\n").and_then(|rest| rest.strip_suffix("+OK\r\n"));
    answers.expect("an answer between those to ASKING and QUIT").trim_end().to_owned()
}

/// Where Redis cannot do it in one piece: sessions first, which makes room where memory is short;
/// then tokens; then the sessions that were made until then. A token that signs in between two steps
/// leaves no session behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_in_steps_ends_tokens_before_it_ends_sessions_for_the_last_time() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let (alice, key) = (issuer("alice"), |what: &str| {
        format!("didt:{{{}}}:{what}", issuer("alice").address().to_string().to_lowercase())
    });
    // The store sees the cluster through proxies.
    let mut proxies = Vec::new();
    for node in &cluster.nodes {
        let proxy = Proxy::before(node.port).await;
        let port = proxy.port.to_string();
        assert_eq!(node.cli(&["config", "set", "cluster-announce-port", &port]), "OK");
        proxies.push(proxy);
    }
    eventually(async || {
        cluster.nodes.iter().all(|node| {
            let seen = node.cli(&["cluster", "nodes"]);
            proxies.iter().all(|proxy| seen.contains(&format!(":{}@", proxy.port)))
        })
    })
    .await;
    let builder = RedisStore::cluster_builder([proxies[0].url()]).with_timeout(MINUTE);
    let store = builder.with_ping_interval(MINUTE).connect().await.expect("a store");
    let (_, record) = sign_in(&store, "alice").await;

    // The sessions are with the old master; what was revoked is a new key, for the new one.
    let slot = cluster.slot_of(alice);
    let from = cluster.master_of(alice);
    let to = (from + 1) % 3;
    let handle = record.handle.to_string();
    let stored = cluster.nodes[from].cli(&["hget", &key("s"), &handle]);
    assert!(stored.starts_with("1 "), "{stored}");
    cluster.begin_move(&slot, from, to);

    proxies[from].hold_up_answers_after(b"UNLINK");
    let revoking = {
        let store = store.clone();
        tokio::spawn(async move { store.revoke_all(alice, now()).await })
    };
    eventually(async || proxies[from].holds_answers_up()).await;
    eventually(async || cluster.nodes[from].cli(&["exists", &key("s")]).starts_with("ASK")).await;
    let revoked = asking(&cluster.nodes[to], &["GET", &key("r")]);
    assert_eq!(revoked, "$-1", "nothing is written before there is room");
    // Somebody signs in with an older token, just now.
    let written = asking(&cluster.nodes[to], &["HSET", &key("s"), &handle, &stored]);
    assert_eq!(written, ":1");

    proxies[to].hold_up_answers_after(b"UNLINK");
    proxies[from].mend();
    eventually(async || proxies[to].holds_answers_up()).await;
    let revoked = asking(&cluster.nodes[to], &["GET", &key("r")]);
    assert!(revoked.contains("1 1 "), "sessions ended, and their tokens may make more: {revoked}");
    proxies[to].mend();
    revoking.await.expect("no panic").expect("signed out everywhere");
    let left = asking(&cluster.nodes[to], &["EXISTS", &key("s")]);
    assert_eq!(left, ":0", "a session of an older token was left");
}

/// A change that Redis reports behind its answer, and that arrives together with it: whoever waits
/// for the answer goes on when both have been read.
#[tokio::test]
async fn a_change_that_arrives_together_with_an_answer_leaves_no_copy_of_it() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::builder(server.url()).with_timeout(MINUTE).with_ping_interval(MINUTE);
    let store = store.connect().await.expect("a store");
    let key = |what: &str| {
        format!("didt:{{{}}}:{what}", issuer("alice").address().to_string().to_lowercase())
    };
    let (ticket, record) = sign_in(&store, "alice").await;
    let end = ["hdel".to_owned(), key("s"), record.handle.to_string()];
    let mut kinds: Vec<(Arc<dyn SessionStore>, String, Vec<String>)> =
        vec![(Arc::new(store.clone()), ticket, end.into())];
    #[cfg(feature = "sealed")]
    {
        let keys = tower_didt::SealingKeys::generate().expect("randomness");
        let sealed = tower_didt::SealedStore::new(keys, store.clone());
        let (ticket, _) = sign_in(&sealed, "alice").await;
        let end = ["hset".to_owned(), key("e"), "#".to_owned(), format!("1 {}", "9".repeat(19))];
        let end = end.map(|word| word.replace("1 9", "1 09"));
        kinds.push((Arc::new(sealed), ticket, end.into()));
    }
    for (store, ticket, end) in kinds {
        let copied = || matches!(store.load(&ticket, now()).try_now(), Ok(Ok(Some(_))));
        assert!(!copied());
        // This runtime has one thread. The question is sent to a server that is paused for now; while
        // the thread waits for `redis-cli`, the answer and the message behind it come in.
        server.pause();
        let loading = tokio::spawn(store.load(&ticket, now()));
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.resume();
        let end: Vec<&str> = end.iter().map(String::as_str).collect();
        assert_eq!(server.cli(&end), "1");
        // Redis may answer `redis-cli` before it sends the message of the same round.
        assert_eq!(server.cli(&["ping"]), "PONG");
        let loaded = loading.await.expect("no panic").expect("an answer");
        assert!(loaded.is_some(), "it was alive when it was asked for");
        assert!(!copied(), "a copy of what had changed");
        assert!(store.load(&ticket, now()).await.expect("an answer").is_none());
    }
}
