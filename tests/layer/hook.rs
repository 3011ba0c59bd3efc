//! The application's say at sign-in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{Login, NoSessions, Refusal, Rejection, Session};

use crate::support::{App, Body, bearer, both, with_cookie};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    id: u32,
}

/// Lets everybody in as user 7, unless `banned`; counts its calls.
fn hooked(banned: &Arc<AtomicBool>, calls: &Arc<AtomicUsize>) -> App {
    let (banned, calls) = (Arc::clone(banned), Arc::clone(calls));
    App::new().with(|auth| {
        auth.with_on_login(move |login: Login| {
            calls.fetch_add(1, Ordering::SeqCst);
            let banned = banned.load(Ordering::SeqCst);
            async move {
                tokio::task::yield_now().await;
                assert!(login.headers().contains_key("authorization"));
                if banned { Err(Refusal::forbidden()) } else { Ok(User { id: 7 }) }
            }
        })
    })
}

async fn user_of(app: &App, request: http::Request<Body>) -> Option<User> {
    let service = service_fn(|request: http::Request<Body>| async move {
        let session = request.extensions().get::<Session>().expect("a session");
        let user = session.data::<User>().expect("this form");
        let mut response = http::Response::new(Body::default());
        response.extensions_mut().insert(Arc::new(user));
        Ok::<_, std::convert::Infallible>(response)
    });
    let Ok(response) = app.auth.layer().layer(service).oneshot(request).await;
    let user = response.extensions().get::<Arc<Option<User>>>().expect("passed");
    user.as_ref().as_ref().map(|user| User { id: user.id })
}

#[tokio::test]
async fn attached_data_is_read_back_at_sign_in_from_the_cookie_and_at_a_replay() {
    let app = hooked(&Arc::default(), &Arc::default());
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    assert_eq!(user_of(&app, with_cookie(&ticket)).await, Some(User { id: 7 }));
    let token = app.token(&alice);
    assert_eq!(user_of(&app, bearer(&token)).await, Some(User { id: 7 }));
    assert_eq!(user_of(&app, bearer(&token)).await, Some(User { id: 7 }));
}

#[tokio::test]
async fn a_refusal_mints_nothing_and_does_not_use_the_token_up() {
    let (banned, calls) = (Arc::new(AtomicBool::new(true)), Arc::default());
    let app = hooked(&banned, &calls);
    let token = app.token(&Wallet::from_seed("alice"));
    for _ in 0..2 {
        let answer = app.send(bearer(&token)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.set_cookies().is_empty());
    }
    banned.store(false, Ordering::SeqCst);
    assert!(app.send(bearer(&token)).await.ticket().is_some());
    banned.store(true, Ordering::SeqCst);
    let answer = app.send(bearer(&token)).await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "banned since: the token does not pass either"
    );
}

#[tokio::test]
async fn the_hook_is_not_asked_about_cookies_bad_tokens_and_sessions_that_stay() {
    let calls = Arc::default();
    let app = hooked(&Arc::default(), &calls);
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    app.send(with_cookie(&ticket)).await;
    app.send(bearer("x")).await;
    app.send(both(&app.token(&alice), &ticket)).await;
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refusal_can_be_a_response_of_the_applications_own() {
    let app = App::new().with(|auth| {
        auth.with_on_login(|_| async {
            let mut response = http::Response::new("no such user\n".to_owned());
            *response.status_mut() = StatusCode::PAYMENT_REQUIRED;
            Err::<(), _>(Refusal::response(response))
        })
    });
    let answer = app.send(bearer(&app.token(&Wallet::from_seed("alice")))).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::PAYMENT_REQUIRED, "no such user\n"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let rejection = answer.extensions.get::<Rejection>().expect("a reason");
    assert_eq!(rejection.status(), StatusCode::PAYMENT_REQUIRED, "the operator is told the same");
}

#[tokio::test]
async fn a_hook_that_cannot_tell_is_503_with_retry_after_and_operators_read_no_refusal() {
    let app = App::new()
        .with(|auth| auth.with_on_login(|_| async { Err::<(), _>(Refusal::unavailable()) }));
    let answer = app.send(bearer(&app.token(&Wallet::from_seed("alice")))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(answer.body, "{\"error\":\"temporarily_unavailable\"}\n");
    let rejection = answer.extensions.get::<Rejection>().expect("a reason");
    assert_eq!(rejection.name(), "application_unavailable");
    assert_eq!(rejection.to_string(), "the application could not decide");

    let own = App::new().with(|auth| {
        auth.with_on_login(|_| async {
            Err::<(), Refusal>((StatusCode::SERVICE_UNAVAILABLE, "a moment, please").into())
        })
    });
    let answer = own.send(bearer(&own.token(&Wallet::from_seed("alice")))).await;
    assert_eq!(
        (answer.body.as_str(), answer.header("retry-after")),
        ("a moment, please", Some("5"))
    );
    assert_eq!(
        answer.extensions.get::<Rejection>().expect("a reason").name(),
        "application_unavailable"
    );
}

#[tokio::test]
async fn over_grpc_a_hook_that_cannot_tell_is_unavailable_and_one_that_refuses_is_not() {
    for (refuse, code) in [(Refusal::unavailable as fn() -> _, "14"), (Refusal::forbidden, "7")] {
        let app = App::new().with(|auth| {
            auth.with_grpc_rejections()
                .with_on_login(move |_| async move { Err::<(), _>(refuse()) })
        });
        let answer = app.send(bearer(&app.token(&Wallet::from_seed("alice")))).await;
        assert_eq!(answer.header("grpc-status"), Some(code));
    }
}

#[tokio::test]
async fn data_without_a_json_form_is_a_server_error_and_uses_no_token_up() {
    let broken = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&broken);
    let app = App::new().with(|auth| {
        auth.with_on_login(move |_| {
            let broken = switch.load(Ordering::SeqCst);
            // JSON has no maps whose keys are lists.
            let map = [(vec![1], 1)].into_iter().filter(move |_| broken);
            async move { Ok(map.collect::<std::collections::BTreeMap<_, _>>()) }
        })
    });
    let token = app.token(&Wallet::from_seed("alice"));
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::INTERNAL_SERVER_ERROR);
    broken.store(false, Ordering::SeqCst);
    assert!(app.send(bearer(&token)).await.ticket().is_some());
}

#[tokio::test]
async fn without_sessions_the_hook_is_asked_every_time() {
    let calls = Arc::default();
    let app = hooked(&Arc::default(), &calls).with(|auth| auth.with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    for expected in 1..=3 {
        assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
        assert_eq!(calls.load(Ordering::SeqCst), expected);
    }
}
