//! Users with few rights, and passwords that nobody gets to see.

use tower_didt::redis::{RedisConfigError, RedisWarning};
use tower_didt::store::{SessionStore, TokenState};
use tower_didt::{RedisStore, SessionLimit};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::{ClusterOf, Server};
use tower_didt_test_support::sessions::{
    in_full, issuer, list, now, opens, opens_at_once, session, sign_in, token, unavailable, warm,
};

const SECRET: &str = "hunter2hunter2";

/// The rights that the documentation names, and no others.
const RIGHTS: [&str; 14] = [
    "~didt:*",
    "resetchannels",
    "-@all",
    "+client|tracking",
    "+eval",
    "+evalsha",
    "+exists",
    "+set",
    "+hget",
    "+hgetall",
    "+unlink",
    "+hset",
    "+hdel",
    "+hlen",
];
const SCRIPT_RIGHTS: [&str; 12] = [
    "+get",
    "+hexists",
    "+pttl",
    "+pexpire",
    "+del",
    "+hmget",
    "+hscan",
    "+zadd",
    "+zcard",
    "+zrange",
    "+zrangebyscore",
    "+zrem",
];
const CLUSTER_RIGHTS: [&str; 4] = ["+cluster|nodes", "+cluster|slots", "+cluster|info", "+asking"];

fn server_with_user(rights: &[&str]) -> Server {
    let server = Server::start();
    let password = format!(">{SECRET}");
    let mut command = vec!["acl", "setuser", "app", "on", &password];
    command.extend(rights);
    assert_eq!(server.cli(&command), "OK");
    server.cli(&["acl", "setuser", "default", "off"]);
    server
}

#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_everything() {
    needs_redis!();
    let server = server_with_user(&[&RIGHTS[..], &SCRIPT_RIGHTS].concat());
    let url = format!("redis://app:{SECRET}@127.0.0.1:{}", server.port);
    let store = RedisStore::connect(url).await.expect("a store");
    let (ticket, record) = sign_in(&store, "alice").await;
    warm(&store, &ticket).await;
    store.touch(&record, now().plus(std::time::Duration::from_secs(99))).await.expect("an answer");
    assert!(opens(&store, &ticket).await);
    assert_eq!(store.claim(token("alice"), now()).await.expect("an answer"), TokenState::New);
    assert_eq!(store.state_of(token("alice"), now()).await.expect("an answer"), TokenState::New);
    assert!(store.advance(token("alice"), now()).await.expect("an answer"));
    let (other, _) = sign_in(&store, "alice").await;
    let limited = session("alice").with_limit(SessionLimit::AtMost(std::num::NonZeroUsize::MIN));
    store.mint(limited.replacing(Some(&record)), now()).await.expect("an answer");
    assert!(!opens(&store, &other).await);
    let sessions = list(&store, issuer("alice")).await;
    for record in &sessions {
        assert!(store.revoke(record.issuer, record.handle, now()).await.expect("an answer"));
    }
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    store.ready().await.expect("an answer");
    let warnings = store.check().await.expect("an answer");
    assert!(matches!(warnings.as_slice(), [RedisWarning::CannotTell { .. }]), "{warnings:?}");
}

#[tokio::test]
async fn a_user_with_the_documented_rights_can_do_everything_on_a_cluster() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let password = format!(">{SECRET}");
    let mut command = vec!["acl", "setuser", "app", "on", &password];
    command.extend([&RIGHTS[..], &SCRIPT_RIGHTS, &CLUSTER_RIGHTS].concat());
    for node in &cluster.nodes {
        assert_eq!(node.cli(&command), "OK");
    }
    let url = format!("redis://app:{SECRET}@127.0.0.1:{}", cluster.nodes[0].port);
    let store = RedisStore::cluster_builder([url]).connect().await.expect("a store");
    for user in ["alice", "bob", "carol"] {
        let (ticket, record) = sign_in(&store, user).await;
        warm(&store, &ticket).await;
        store.revoke_all(record.issuer, now()).await.expect("an answer");
        assert!(!opens(&store, &ticket).await);
    }
}

#[tokio::test]
async fn a_missing_right_is_named_and_passwords_are_not() {
    needs_redis!();
    let server = server_with_user(&["~didt:*", "-@all", "+client|tracking", "+hget"]);
    let url = format!("redis://app:{SECRET}@127.0.0.1:{}", server.port);
    let builder = RedisStore::builder(url);
    let store = builder.connect().await.expect("a store");
    let error = in_full(&unavailable(store.revoke_all(issuer("alice"), now()).await));
    assert!(error.contains("evalsha"), "{error}");
    for text in [error, format!("{store:?} {builder:?} {builder:#?}")] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Managed services do not permit, or do not know, what local copies need.
#[tokio::test]
async fn without_client_tracking_the_store_works_without_local_copies_and_says_so() {
    needs_redis!();
    let forbidden = server_with_user(&["~didt:*", "+@all", "-client|tracking"]);
    let unknown = Server::with(&["--rename-command", "CLIENT", ""]);
    let of_user = format!("redis://app:{SECRET}@127.0.0.1:{}", forbidden.port);
    for (url, code) in [(of_user, "NOPERM"), (unknown.url(), "ERR")] {
        let store = RedisStore::connect(&url).await.expect("a store");
        let (ticket, record) = sign_in(&store, "alice").await;
        for _ in 0..10 {
            assert!(opens(&store, &ticket).await);
            assert!(!opens_at_once(&store, &ticket), "{code}: nobody would report a change");
        }
        let warnings = store.check().await.expect("an answer");
        let Some(RedisWarning::NoLocalCopies { reason, .. }) = warnings.first() else {
            panic!("{code}: {warnings:?}");
        };
        assert!(reason.contains("CLIENT TRACKING") && reason.contains(code), "{reason}");
        store.revoke_all(record.issuer, now()).await.expect("an answer");
        assert!(!opens(&store, &ticket).await);
    }
}

#[tokio::test]
async fn without_the_right_to_see_a_cluster_the_store_works_without_local_copies() {
    needs_redis!();
    let cluster = ClusterOf::masters();
    let password = format!(">{SECRET}");
    for node in &cluster.nodes {
        let rights = ["acl", "setuser", "app", "on", &password, "~*", "+@all", "-cluster|nodes"];
        assert_eq!(node.cli(&rights), "OK");
    }
    let url = format!("redis://app:{SECRET}@127.0.0.1:{}", cluster.nodes[0].port);
    let store = RedisStore::cluster_builder([url]).connect().await.expect("a store");
    let (ticket, _) = sign_in(&store, "alice").await;
    for _ in 0..10 {
        assert!(opens(&store, &ticket).await);
        assert!(!opens_at_once(&store, &ticket), "a slot could move unnoticed");
    }
    let warnings = store.check().await.expect("an answer");
    let refused = |warning: &RedisWarning| match warning {
        RedisWarning::NoLocalCopies { reason, .. } => reason.contains("CLUSTER NODES"),
        _ => false,
    };
    assert_eq!(warnings.iter().filter(|warning| refused(warning)).count(), 3, "{warnings:?}");
}

/// Whatever is refused is named: with the command of a plain request, of a script, and of the
/// connection itself.
#[tokio::test]
async fn every_refused_command_is_named() {
    needs_redis!();
    let all = ["~didt:*", "+@all"];
    for command in ["hget", "evalsha", "set", "unlink", "hlen", "hset"] {
        let removed = format!("-{command}");
        let server = server_with_user(&[&all[..], &[&removed]].concat());
        let url = format!("redis://app:{SECRET}@127.0.0.1:{}", server.port);
        let store = RedisStore::builder(url).with_local_copies(0).connect().await.expect("a store");
        let ticket = format!("{}{}", "A".repeat(43), "A".repeat(27));
        let errors = [
            store.load(&ticket, now()).await.err(),
            store.mint(session("alice"), now()).await.err(),
            store.state_of(token("alice"), now()).await.err(),
            store.claim(token("alice"), now()).await.err(),
            store.revoke_all(issuer("alice"), now()).await.err(),
        ];
        let errors: Vec<_> = errors.iter().flatten().map(|error| in_full(error)).collect();
        assert!(!errors.is_empty(), "{command}");
        for error in errors {
            assert!(error.to_lowercase().contains(command), "{command}: {error}");
            assert!(!error.contains(SECRET), "{error}");
        }
    }
    let renamed =
        Server::with(&["--rename-command", "HGET", "", "--rename-command", "EVALSHA", ""]);
    let store = RedisStore::connect(renamed.url()).await.expect("a store");
    let ticket = format!("{}{}", "A".repeat(43), "A".repeat(27));
    let load = in_full(&unavailable(store.load(&ticket, now()).await));
    assert!(load.contains("HGET"), "{load}");
    let mint = in_full(&unavailable(store.mint(session("alice"), now()).await));
    assert!(mint.contains("EVALSHA"), "{mint}");
}

#[tokio::test]
async fn a_wrong_password_is_not_repeated() {
    needs_redis!();
    let server = server_with_user(&["~*", "+@all"]);
    for url in [
        format!("redis://app:wrong-{SECRET}@127.0.0.1:{}", server.port),
        format!("redis://:{SECRET}@127.0.0.1:{}", server.port),
        format!("redis://127.0.0.1:{}", server.port),
    ] {
        let error = in_full(&RedisStore::connect(&url).await.expect_err("no way in"));
        assert!(!error.contains(SECRET), "{error}");
    }
    for url in ["", "nonsense", "http://x", "redis://:hunter2hunter2@x:y"] {
        let error = RedisStore::open(url).expect_err("no URL");
        assert_eq!(error, RedisConfigError::InvalidUrl);
        assert!(!in_full(&error).contains(SECRET));
    }
}

/// A server before Redis 6 repeats the arguments of commands that it does not know,
/// here the password.
#[tokio::test]
async fn a_server_that_repeats_the_password_does_not_get_it_into_errors() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let words = format!(
                "-ERR unknown command `HELLO`, with args beginning with: `3`, `AUTH`, `app`, `{SECRET}`, \r\n"
            );
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, words.as_bytes()).await;
            let mut rest = Vec::new();
            let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
        }
    });
    let url = format!("redis://app:{SECRET}@127.0.0.1:{port}");
    let error = in_full(&RedisStore::connect(url).await.expect_err("too old"));
    assert!(!error.contains(SECRET), "{error}");
    println!("{error}");
    server.abort();
}
