//! A profile is there again in every store, with what the application attached, and is renewed.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::COOKIE;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::magic::Magic;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::SessionStore;
use tower_didt::testing::{self, FixedClock, TestUser, Wallet, sign_in};
use tower_didt::{
    Clock, DidAuth, MagicUser, MemoryStore, Refusal, SealedStore, SealingKeys, Session, Verifier,
};

use super::support::{APP, NOW, ada, api, stub};

/// All that Magic can say of a person, as long as it can be.
fn stub_with_everything() -> testing::Magic {
    let stub = stub();
    let user = TestUser::new(ada())
        .email(&format!("{}@{}.example.com", "a".repeat(60), "b".repeat(60)))
        .phone_number("+14155550100")
        .oauth_provider("google")
        .username("Ada, Countess of Lovelace \u{1f9ee}")
        .wallet("SOLANA", "MAINNET", &"7".repeat(44));
    stub.add_user(user);
    stub
}

fn auth(stub: &testing::Magic, store: Arc<dyn SessionStore>, clock: &FixedClock) -> DidAuth {
    let api = api(stub).with_wallets("ANY").expect("a kind");
    DidAuth::new(Verifier::new(APP))
        .with_store(store)
        .with_clock(clock.clone())
        .with_on_sign_in(|_| async { Ok::<_, Refusal>("row 7") })
        .with_magic(Magic::over(api))
}

/// Who is behind a cookie, and what the application attached.
async fn who(auth: &DidAuth, cookie: &http::HeaderValue) -> Option<(MagicUser, Option<String>)> {
    let inner = service_fn(async |request: Request<()>| {
        let session = request.extensions().get::<Session>().cloned();
        let mut response = http::Response::new(String::new());
        response.extensions_mut().insert(session);
        Ok::<_, std::convert::Infallible>(response)
    });
    let request = Request::get("/").header(COOKIE, cookie).body(()).expect("a request");
    let response = auth.layer().layer(inner).oneshot(request).await.expect("infallible");
    let session = response.extensions().get::<Option<Session>>()?.clone()?;
    Some((session.magic_user()?, session.data().expect("text")))
}

/// `open` makes a process's own store: what it shares with another process is behind it.
async fn survives(open: impl AsyncFn() -> Arc<dyn SessionStore>) {
    let (stub, clock) = (stub_with_everything(), FixedClock::at(NOW));
    let first = auth(&stub, open().await, &clock);
    let cookie = sign_in(&first, &Wallet::from_seed("ada")).await;
    let expected = Magic::over(api(&stub).with_wallets("ANY").expect("a kind"))
        .with_clock(clock.clone())
        .user(ada())
        .await
        .expect("Ada");
    let calls = stub.calls();
    // Another process, with an empty cache.
    let second = auth(&stub, open().await, &clock);
    for auth in [&first, &second] {
        let (user, data) = who(auth, &cookie).await.expect("a profile");
        assert_eq!(user, expected, "with the time at which it was asked for");
        assert_eq!((user.wallets().len(), data.as_deref()), (1, Some("row 7")));
    }
    assert_eq!(stub.calls(), calls, "the store has it: nobody was asked");

    // Renewed in the background, once it is an hour old.
    stub.add_user(TestUser::new(ada()).email("countess@example.com"));
    clock.advance(Duration::from_secs(3600));
    let (user, _) = who(&second, &cookie).await.expect("a profile");
    assert_eq!(user, expected, "nobody waits");
    for _ in 0..500 {
        let (user, data) = who(&second, &cookie).await.expect("a profile");
        assert_eq!(data.as_deref(), Some("row 7"));
        if user.email().is_some_and(|email| email.as_str() == "countess@example.com") {
            assert_eq!((user.asked_at(), stub.calls()), (clock.now(), calls + 1));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was never renewed");
}

#[tokio::test]
async fn in_memory() {
    let store = MemoryStore::new();
    survives(async || Arc::new(store.clone()) as _).await;
}

#[tokio::test]
async fn in_sealed_cookies() {
    let (keys, ledger) = (SealingKeys::generate().expect("randomness"), MemoryLedger::new());
    survives(async || Arc::new(SealedStore::new(keys.clone(), ledger.clone())) as _).await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn in_redis() {
    tower_didt_test_support::redis::needs_redis!();
    let server = tower_didt_test_support::redis::Server::start();
    survives(async || {
        Arc::new(tower_didt::RedisStore::connect(server.url()).await.expect("it")) as _
    })
    .await;
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn in_sealed_cookies_with_a_ledger_in_redis() {
    tower_didt_test_support::redis::needs_redis!();
    let server = tower_didt_test_support::redis::Server::start();
    let keys = SealingKeys::generate().expect("randomness");
    survives(async || {
        let redis = tower_didt::RedisStore::connect(server.url()).await.expect("a store");
        Arc::new(SealedStore::new(keys.clone(), redis)) as _
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn in_an_sqlite_file() {
    let directory = tower_didt_test_support::directory::Directory::new();
    let url = format!("sqlite:{}", directory.0.join("sessions.db").display());
    survives(async || {
        let store = tower_didt::SqliteStore::open(url.as_str()).expect("a URL");
        store.migrate().await.expect("tables");
        Arc::new(store) as _
    })
    .await;
}
