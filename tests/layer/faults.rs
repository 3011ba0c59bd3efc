//! A store that cannot answer: 503, the cookie stays, nobody is let in or signed out.

use http::StatusCode;
use tower_didt::testing::Wallet;
use tower_didt::{OnceOnly, StoreError};

use crate::support::{
    Answer, App, Call, FaultyStore, bearer, both, empty, request, to, with_cookie,
};

fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(answer.header("www-authenticate"), None);
    assert!(answer.set_cookies().is_empty(), "the cookie stays");
}

#[tokio::test]
async fn a_store_that_is_down_is_503_and_its_sessions_live_when_it_is_back() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    let token = app.token(&alice);

    store.set_down(true);
    for request in [with_cookie(&ticket), bearer(&token), both(&token, &ticket)] {
        assert_unavailable(&app.send(request.clone()).await);
        assert_unavailable(&app.send_optional(request).await);
    }
    assert_eq!(app.send(empty(request())).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(bearer("x")).await.status, StatusCode::UNAUTHORIZED);

    store.set_down(false);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "the token was not used up");
}

#[tokio::test]
async fn a_session_that_could_not_be_looked_up_is_not_taken_for_none() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    let token = app.token(&alice);
    // The store could still make a second session beside the one it cannot find.
    store.set_failing(Call::Load, true);
    assert_unavailable(&app.send(both(&token, &ticket)).await);
    store.set_failing(Call::Load, false);
    assert_eq!(app.list(alice.issuer()).await.len(), 1);
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "the token was not used up");
}

/// It can never be looked up, so waiting is of no use: unlike a store that is down.
#[tokio::test]
async fn a_session_that_can_never_be_read_is_lost_and_a_token_signs_in_beside_it() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    store.set_unreadable(true);
    let lost = app.send(with_cookie(&ticket)).await;
    assert_eq!(lost.status, StatusCode::UNAUTHORIZED);
    assert!(lost.header("www-authenticate").is_some());
    assert!(lost.clears_cookie(), "{lost:?}");
    let optional = app.send_optional(with_cookie(&ticket)).await;
    assert_eq!(optional.status, StatusCode::OK);
    assert!(optional.clears_cookie(), "{optional:?}");
    let signed_in = app.send(both(&app.token(&alice), &ticket)).await;
    assert_eq!(signed_in.status, StatusCode::OK);
    let new = signed_in.ticket().expect("a new session");
    store.set_unreadable(false);
    assert_eq!(app.send(with_cookie(&new)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ready_is_who_has_a_store_that_answers() {
    let store = FaultyStore::default();
    let auth = App::new().auth;
    assert!(auth.ready().await.is_ok(), "a store in memory always answers");
    for auth in
        [auth.clone().with_store(store.clone()), auth.with_store(OnceOnly::new(store.clone()))]
    {
        store.set_down(false);
        assert!(auth.ready().await.is_ok(), "{auth:?}");
        store.set_down(true);
        assert!(matches!(auth.ready().await, Err(StoreError::Unavailable(_))), "{auth:?}");
    }
}

#[tokio::test]
async fn a_session_whose_use_cannot_be_written_down_is_alive_all_the_same() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    store.set_failing(Call::Touch, true);
    app.advance(120);
    let answer = app.send(with_cookie(&ticket)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn signing_out_while_the_store_is_down_keeps_the_cookie_and_tells_the_handler() {
    let store = FaultyStore::default();
    let down = store.clone();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    // The store goes down between the gate and the handler.
    let layer = app.auth.layer();
    let service = tower::service_fn(move |request: http::Request<crate::support::Body>| {
        down.set_down(true);
        let session = request.extensions().get::<tower_didt::Session>().cloned();
        async move {
            let told = session.expect("a session").sign_out().await;
            assert!(told.is_err());
            Ok::<_, std::convert::Infallible>(http::Response::new(crate::support::Body::default()))
        }
    });
    let response =
        tower::ServiceExt::oneshot(tower::Layer::layer(&layer, service), to("/sign-out", &ticket));
    let Ok(response) = response.await;
    assert!(!response.headers().contains_key("set-cookie"));
    store.set_down(false);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}
