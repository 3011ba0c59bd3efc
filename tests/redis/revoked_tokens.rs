//! Signing out everywhere ends tokens, on all machines.

use std::time::Duration;

use tower_didt::store::{Minted, NewSession, SessionStore, TokenMark, TokenState};
use tower_didt::{RedisStore, SealedStore, SealingKeys, StoreError, Timestamp};

use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis::Server;
use tower_didt_test_support::sessions::{LIFETIME, issuer, now, sign_in, token};

fn before(now: Timestamp, seconds: u64) -> Timestamp {
    now.minus(Duration::from_secs(seconds))
}

/// A token that was issued so many seconds ago.
fn issued(ago: u64) -> TokenMark {
    let mut token = token("alice");
    token.issued_at = before(now(), ago);
    token
}

async fn state(store: &impl SessionStore, token: TokenMark) -> TokenState {
    store.state_of(token, now()).await.expect("an answer")
}

async fn revoked_at_once_elsewhere<S: SessionStore>(here: S, there: S) {
    let [used, seen, unseen] = [5, 4, 3].map(issued);
    assert_eq!(there.claim(used, now()).await.expect("an answer"), TokenState::New);
    assert_eq!(state(&there, seen).await, TokenState::New);
    here.revoke_all(issuer("alice"), now()).await.expect("an answer");
    for token in [used, seen, unseen] {
        assert_eq!(state(&there, token).await, TokenState::Revoked);
        assert_eq!(there.claim(token, now()).await.expect("an answer"), TokenState::Revoked);
        let minted = there.mint(NewSession::new(token, now().plus(LIFETIME)), now()).await;
        assert!(matches!(minted, Ok(Minted::Revoked)), "{minted:?}");
    }
    sign_in(&there, "alice").await;
}

#[tokio::test]
async fn a_token_ends_on_all_machines_at_once() {
    needs_redis!();
    let server = Server::start();
    let [one, two] = [RedisStore::open(server.url()), RedisStore::open(server.url())];
    revoked_at_once_elsewhere(one.expect("a store"), two.expect("a store")).await;
}

#[tokio::test]
async fn with_sealed_sessions_it_does_too() {
    needs_redis!();
    let (server, keys) = (Server::start(), SealingKeys::generate().expect("randomness"));
    let machine =
        || SealedStore::new(keys.clone(), RedisStore::open(server.url()).expect("a store"));
    revoked_at_once_elsewhere(machine(), machine()).await;
}

/// The other machine sees a token that is not dated ahead by its own clock.
#[tokio::test]
async fn a_token_that_was_seen_ends_though_the_clock_that_ends_it_is_behind() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (seen, used, unseen) = (issued(10), issued(9), issued(8));
    assert_eq!(state(&store, seen).await, TokenState::New);
    assert_eq!(store.claim(used, now()).await.expect("an answer"), TokenState::New);
    store.revoke_all(issuer("alice"), before(now(), 60)).await.expect("an answer");
    assert_eq!(state(&store, seen).await, TokenState::Revoked);
    assert_eq!(state(&store, used).await, TokenState::Revoked);
    // Nobody can tell that one from a token made after it.
    assert_eq!(state(&store, unseen).await, TokenState::New);
}

#[tokio::test]
async fn a_token_that_was_only_seen_can_still_sign_in_once() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let token = token("alice");
    for _ in 0..2 {
        assert_eq!(state(&store, token).await, TokenState::New);
    }
    let session = NewSession::new(token, now().plus(LIFETIME));
    assert!(matches!(store.mint(session, now()).await, Ok(Minted::Session { .. })));
    assert_eq!(state(&store, token).await, TokenState::Used);
}

#[tokio::test]
async fn marks_of_an_older_version_stay_used_and_end_with_the_others() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let used = token("alice");
    store.claim(used, now()).await.expect("an answer");
    let key = server.cli(&["keys", "*:t:*"]);
    server.cli(&["set", &key, ""]);
    assert_eq!(state(&store, used).await, TokenState::Used);
    store.revoke_all(issuer("alice"), now()).await.expect("an answer");
    assert_eq!(state(&store, used).await, TokenState::Revoked);
}

#[tokio::test]
async fn a_revocation_that_cannot_be_read_is_corrupt_until_the_next_one() {
    needs_redis!();
    let server = Server::start();
    let store = RedisStore::connect(server.url()).await.expect("a store");
    let (used, old) = (token("alice"), issued(5));
    store.claim(used, now()).await.expect("an answer");
    store.revoke_all(issuer("alice"), before(now(), 600)).await.expect("an answer");
    let key = server.cli(&["keys", "*:r"]);
    for bad in ["", "garbage", "2 1 9", "1 x 9", "1 1 soon"] {
        server.cli(&["set", &key, bad]);
        for answer in [store.state_of(old, now()).await, store.claim(old, now()).await] {
            assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{bad:?}: {answer:?}");
        }
        store.revoke_all(issuer("alice"), before(now(), 600)).await.expect("an answer");
        assert_eq!(state(&store, used).await, TokenState::Revoked);
    }
    assert_eq!(state(&store, token("alice")).await, TokenState::New);
}
