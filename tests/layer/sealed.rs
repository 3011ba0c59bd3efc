//! The layer over sessions inside their cookies.

use std::num::NonZeroUsize;

use http::StatusCode;
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Refusal, Rejection, SealedStore, SealingKeys};

use crate::support::{App, bearer, log, to, with_cookie};

fn sealed(auth: DidAuth) -> DidAuth {
    let keys = SealingKeys::generate().expect("randomness");
    auth.with_store(SealedStore::new(keys, MemoryLedger::new()))
}

#[tokio::test]
async fn a_session_lives_in_its_cookie_and_is_renewed_there() {
    let (app, alice) = (App::new().with(sealed), Wallet::from_seed("alice"));
    let ticket = app.sign_in(&alice).await;
    let answer = app.send(with_cookie(&ticket)).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::OK, &alice.issuer().to_string()));
    assert!(answer.set_cookies().is_empty(), "nothing to write down yet");

    app.advance(60);
    let renewed = app.send(with_cookie(&ticket)).await.ticket().expect("a new cookie");
    assert_ne!(renewed, ticket);
    let answer = app.send(with_cookie(&renewed)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.set_cookies().is_empty(), "it was written down just now");
    assert!(!log().contains(&ticket) && !log().contains(&renewed));
}

#[tokio::test]
async fn signing_out_ends_every_cookie_of_the_session_and_everywhere_every_session() {
    let (app, alice) = (App::new().with(sealed), Wallet::from_seed("alice"));
    let (one, two) = (app.sign_in(&alice).await, app.sign_in(&alice).await);
    app.advance(60);
    let renewed = app.send(with_cookie(&one)).await.ticket().expect("a new cookie");
    assert!(app.send(to("/sign-out", &renewed)).await.clears_cookie());
    for gone in [&one, &renewed] {
        assert_eq!(app.send(with_cookie(gone)).await.status, StatusCode::UNAUTHORIZED);
    }
    let three = app.sign_in(&alice).await;
    assert!(app.send(to("/everywhere", &two)).await.clears_cookie());
    app.advance(1);
    for gone in [&two, &three] {
        assert_eq!(app.send(with_cookie(gone)).await.status, StatusCode::UNAUTHORIZED);
    }
    // With a token that is younger than that.
    let four = app.sign_in(&alice).await;
    assert_eq!(app.send(with_cookie(&four)).await.status, StatusCode::OK);
}

/// It will not help to come back, so it is no 503; and the token is still good.
#[tokio::test]
async fn what_the_store_can_never_do_is_a_500_and_uses_no_token_up() {
    let too_much = App::new()
        .with(sealed)
        .with(|auth| auth.with_on_login(|_| async { Ok::<_, Refusal>("x".repeat(4_000)) }));
    let limited =
        App::new().with(sealed).with(|auth| auth.with_max_sessions_per_issuer(NonZeroUsize::MIN));
    for (name, app) in [("too large", too_much), ("limited", limited)] {
        let token = app.token(&Wallet::from_seed("alice"));
        for _ in 0..2 {
            let answer = app.send(bearer(&token)).await;
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{name}");
            assert_eq!(answer.body, "{\"error\":\"server_error\"}\n");
            assert_eq!(answer.header("retry-after"), None, "{name}");
            assert!(answer.set_cookies().is_empty(), "{name}");
            let reason = answer.extensions.get::<Rejection>().expect("the reason");
            assert!(matches!(reason, Rejection::StoreUnsuited(_)), "{name}: {reason}");
        }
    }
}
