//! What tower expects of a middleware, and what bodies and bounds a user can bring.

use std::convert::Infallible;
use std::pin::pin;

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{NoSessions, Session};
use tower_test::mock;

use crate::support::{App, FaultyStore, bearer, with_cookie};

#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_called() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let (service, mut handle) = mock::pair::<Request<()>, Response<Empty<bytes::Bytes>>>();
    handle.allow(0);
    let mut guarded = app.auth.layer().optional().layer(service);
    let waiting = futures_poll(guarded.ready()).await;
    assert!(waiting.is_none(), "readiness of the inner service is passed on");

    handle.allow(1);
    let ready = guarded.ready().await.expect("ready");
    let response = ready.call(Request::new(()));
    let serve = async {
        let (_request, send) = handle.next_request().await.expect("one call");
        send.send_response(Response::new(Empty::new()));
    };
    let (response, ()) = tokio::join!(response, serve);
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn it_is_the_one_called_after_waiting_for_a_store_too() {
    let app = App::new().with(|auth| auth.with_store(FaultyStore::default()));
    let token = app.token(&Wallet::from_seed("alice"));
    let (service, mut handle) =
        mock::pair::<Request<crate::support::Body>, Response<Empty<bytes::Bytes>>>();
    handle.allow(1);
    let mut guarded = app.auth.layer().layer(service);
    // A clone of the inner service was not polled ready: the mock panics if it is called.
    let response = guarded.ready().await.expect("ready").call(bearer(&token));
    let serve = async {
        let (_request, send) = handle.next_request().await.expect("one call");
        send.send_response(Response::new(Empty::new()));
    };
    let (response, ()) = tokio::join!(response, serve);
    assert_eq!(response.expect("a response").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_rejected_request_never_reaches_the_inner_service() {
    let app = App::new();
    let (service, mut handle) = mock::pair::<Request<()>, Response<Empty<bytes::Bytes>>>();
    handle.allow(1);
    let response = app.auth.layer().layer(service).oneshot(Request::new(())).await;
    assert_eq!(response.expect("a response").status(), StatusCode::UNAUTHORIZED);
    assert!(futures_poll(handle.next_request()).await.is_none_or(|request| request.is_none()));
}

/// A server may keep one service for each connection, which can be idle for long.
#[tokio::test]
async fn a_rejected_request_holds_no_place_within_a_limit_further_in() {
    let app = App::new();
    let answer = service_fn(|_: Request<crate::support::Body>| async {
        Ok::<_, Infallible>(Response::new(crate::support::Body::default()))
    });
    let limited = tower::limit::ConcurrencyLimit::new(answer, 1);
    let mut one = app.auth.layer().layer(limited);
    let mut other = one.clone();
    let rejected = bearer("nonsense");
    let Ok(response) = one.ready().await.expect("ready").call(rejected).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(futures_poll(other.ready()).await.is_some(), "the place is taken");
}

#[tokio::test]
async fn an_error_of_the_inner_service_is_passed_on() {
    let app = App::new();
    let failing = service_fn(|_: Request<()>| async {
        Err::<Response<Empty<bytes::Bytes>>, _>(std::io::Error::other("inner"))
    });
    let result = app.auth.layer().optional().layer(failing).oneshot(Request::new(())).await;
    assert_eq!(result.expect_err("the inner error").to_string(), "inner");
}

/// No `Default`, no `Clone`, not even a body: the layer must not ask for more.
struct Opaque;

#[tokio::test]
async fn bodies_need_no_bounds_to_pass_through() {
    let app = App::new();
    let service =
        service_fn(|_: Request<Opaque>| async { Ok::<_, Infallible>(Response::new(Opaque)) });
    let Ok(response) = app.auth.layer().layer(service).oneshot(Request::new(Opaque)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_body_of_the_inner_service_arrives_unchanged() {
    let app = App::new();
    let token = app.token(&Wallet::from_seed("alice"));
    let answer = app.send(bearer(&token)).await;
    assert_eq!(answer.body, Wallet::from_seed("alice").issuer().to_string());
}

#[tokio::test]
async fn nested_layers_of_one_auth_decide_once() {
    let app = App::new().with(|auth| auth.with_replay(tower_didt::Replay::SingleUse));
    let token = app.token(&Wallet::from_seed("alice"));
    let service = service_fn(|request: Request<crate::support::Body>| async move {
        assert!(request.extensions().get::<Session>().is_some());
        Ok::<_, Infallible>(Response::new(crate::support::Body::default()))
    });
    let nested = app.auth.layer().optional().layer(app.auth.layer().layer(service));
    let Ok(response) = nested.oneshot(bearer(&token)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 1);
}

#[tokio::test]
async fn nested_layers_of_one_auth_take_the_cookie_away_once() {
    let app = App::new();
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    let service = service_fn(|request: Request<crate::support::Body>| async move {
        let session = request.extensions().get::<Session>().expect("signed in");
        session.sign_out().await.expect("told");
        let mut response = Response::new(crate::support::Body::default());
        let own = http::HeaderValue::from_static("theme=dark");
        response.headers_mut().append("set-cookie", own);
        Ok::<_, Infallible>(response)
    });
    let nested = app.auth.layer().optional().layer(app.auth.layer().layer(service));
    for (cookies, status) in [(2, StatusCode::OK), (1, StatusCode::UNAUTHORIZED)] {
        let Ok(response) = nested.clone().oneshot(with_cookie(&ticket)).await;
        let set: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!((response.status(), set.len()), (status, cookies), "{set:?}");
    }
}

#[tokio::test]
async fn a_session_of_another_auth_does_not_pass_for_ones_own() {
    let (one, other) = (App::new(), App::new());
    let token = one.token(&Wallet::from_seed("alice"));
    // Same audience: the outer layer authenticates, the inner one must look for itself.
    let service = service_fn(|request: Request<crate::support::Body>| async move {
        let known = request.extensions().get::<Session>().is_some();
        Ok::<_, Infallible>(Response::new(crate::support::Body::from(known.to_string())))
    });
    let strip = tower::util::MapRequestLayer::new(|mut request: Request<crate::support::Body>| {
        request.headers_mut().remove("authorization");
        request
    });
    let inner = strip.layer(other.auth.layer().optional().layer(service));
    let Ok(response) = one.auth.layer().layer(inner).oneshot(bearer(&token)).await;
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    assert_eq!(&body[..], b"false");
}

/// Polls once; `None` if that is not enough.
async fn futures_poll<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}
