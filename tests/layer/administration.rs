//! Everybody's sessions, and sessions that are made for tests.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use tower_didt::extract::{Require, Requirement};
use tower_didt::layer::DataError;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::PageRequest;
use tower_didt::testing::{TestSession, TestUser, Wallet};
use tower_didt::{Clock, Guard, Issuer, Rejection, SealedStore, SealingKeys, Session, StoreError};

use crate::support::{App, START, with_cookie};

fn issuer(name: &str) -> Issuer {
    Wallet::from_seed(name).issuer()
}

#[tokio::test]
async fn an_administrator_lists_counts_and_ends_sessions() {
    let app = App::new();
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(app.sign_in(&alice).await);
    }
    let bobs = app.sign_in(&bob).await;
    let all = app.auth.sessions();

    let mut issuers = all.issuers(None).await.expect("an answer").issuers;
    issuers.sort();
    let mut expected = [alice.issuer(), bob.issuer()];
    expected.sort();
    assert_eq!(issuers, expected);
    assert_eq!(all.count(alice.issuer()).await.expect("an answer").to_string(), "3");
    assert_eq!(all.count(issuer("nobody")).await.expect("an answer").sessions, 0);

    let page = PageRequest::first().with_size(1);
    let first = all.of(alice.issuer(), page).await.expect("an answer");
    let handle = first.sessions.first().expect("a session").handle;
    assert!(first.next.is_some());
    assert!(!all.end(bob.issuer(), handle).await.expect("an answer"), "it is not Bob's");
    assert!(all.end(alice.issuer(), handle).await.expect("an answer"));
    assert!(!all.end(alice.issuer(), handle).await.expect("an answer"), "it has ended");
    assert_eq!(app.send(with_cookie(&tickets[0])).await.status, 401);
    assert_eq!(app.send(with_cookie(&tickets[1])).await.status, 200);

    all.end_all(alice.issuer()).await.expect("an answer");
    assert_eq!(app.send(with_cookie(&tickets[2])).await.status, 401);
    assert_eq!(all.count(alice.issuer()).await.expect("an answer").sessions, 0);
    assert_eq!(app.send(with_cookie(&bobs)).await.status, 200);
}

#[tokio::test]
async fn counting_stops_after_ten_pages() {
    let many = NonZeroUsize::new(2_000).expect("a number");
    let app = App::new().with(|auth| auth.with_max_sessions_per_issuer(many));
    let alice = Wallet::from_seed("alice");
    for (sessions, shown) in [(1_000, "1000"), (1, "1000 or more")] {
        for _ in 0..sessions {
            app.sign_in(&alice).await;
        }
        let count = app.auth.sessions().count(alice.issuer()).await.expect("an answer");
        assert_eq!(count.to_string(), shown);
        assert_eq!(count.is_exact, shown == "1000");
    }
}

/// Never an empty list, which would be read as "nobody".
#[tokio::test]
async fn where_sessions_live_in_their_cookies_lists_are_errors() {
    let keys = SealingKeys::generate().expect("randomness");
    let sealed = SealedStore::new(keys, MemoryLedger::new());
    let app = App::new().with(|auth| auth.with_store(sealed));
    app.sign_in(&Wallet::from_seed("alice")).await;
    let (all, alice) = (app.auth.sessions(), issuer("alice"));
    assert!(matches!(all.issuers(None).await, Err(StoreError::Unsupported)));
    assert!(matches!(all.count(alice).await, Err(StoreError::Unsupported)));
    all.end_all(alice).await.expect("an answer");
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct User {
    is_admin: bool,
}

#[derive(Debug)]
struct Admins;

impl Requirement for Admins {
    fn guard() -> Guard {
        Guard::data(|user: &User| user.is_admin)
    }
}

/// A handler, called as a function.
async fn resign(admin: Require<Admins>) -> Result<User, DataError> {
    admin.session.modify_data(|_: Option<User>| User { is_admin: false }).await
}

#[tokio::test]
async fn a_session_made_for_a_test_is_one() {
    let alice = issuer("alice");
    let session = || TestSession::new(alice).data(&User { is_admin: true }).began_at(START);
    let made = session().make();
    assert_eq!((made.issuer(), made.created_at()), (alice, START));
    assert!(made.expires_at() > START && made.handle().is_some());
    assert_ne!(made.handle(), session().make().handle());

    assert_eq!(
        resign(Require::of(made.clone()).expect("an administrator")).await.expect("stored"),
        User { is_admin: false }
    );
    assert_eq!(made.require_data::<User>().expect("data"), User { is_admin: false });
    let denied = Require::<Admins>::of(made.clone()).expect_err("no administrator any more");
    assert!(matches!(denied, Rejection::NotPermitted));

    let listed = |session: Session| async move {
        session.sessions(PageRequest::first()).await.expect("a list").sessions.len()
    };
    assert_eq!(listed(made.clone()).await, 1);
    made.sign_out().await.expect("an answer");
    assert_eq!(listed(made).await, 0);
}

#[tokio::test]
async fn a_magic_user_made_for_a_test_has_what_magic_would_say() {
    let alice = issuer("alice");
    let user = TestUser::new(alice)
        .email("Alice@Example.com")
        .phone_number("+14155550100")
        .wallet("SOLANA", "MAINNET", "5Nf")
        .magic_user();
    assert_eq!(user.issuer(), alice);
    assert_eq!(user.email().map(ToString::to_string).as_deref(), Some("Alice@example.com"));
    assert_eq!(user.phone_number(), Some("+14155550100"));
    assert_eq!(user.wallets().len(), 1);
    assert_eq!(user.username(), None);

    // Also one that began long ago, which nothing renews behind the test's back.
    for began_at in [START, tower_didt::SystemClock.now()] {
        let session = TestSession::new(alice).magic_user(user.clone()).began_at(began_at).make();
        let found = session.magic_user().expect("a profile");
        assert!(found.says_the_same(&user));
    }
    assert!(TestSession::new(alice).make().magic_user().is_none());
}

#[test]
#[should_panic(expected = "another issuer")]
fn a_profile_of_somebody_else_makes_no_session() {
    let bobs = TestUser::new(issuer("bob")).magic_user();
    let _ = TestSession::new(issuer("alice")).magic_user(bobs);
}
