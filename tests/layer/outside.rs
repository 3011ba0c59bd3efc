//! Layers further out, in the order that the guides recommend: a preflight and a time-out are
//! answered before anybody is asked who is calling.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, ORIGIN,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;

use super::support::App;

const PAGE: &str = "https://app.example.com";

fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(HeaderValue::from_static(PAGE))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION])
        .allow_credentials(true)
}

fn timeout() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(1))
}

/// A preflight is answered, and so is a request without credentials, both with fields of CORS.
async fn is_readable_from_the_page<S, B, R>(service: S, body: impl Fn() -> B)
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: std::fmt::Debug,
{
    let preflight = Request::options("/me")
        .header(ORIGIN, PAGE)
        .header(ACCESS_CONTROL_REQUEST_METHOD, "GET")
        .body(body())
        .expect("a request");
    let answer = service.clone().oneshot(preflight).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK, "a preflight has no credentials");
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], PAGE);

    let stranger = Request::get("/me").header(ORIGIN, PAGE).body(body()).expect("a request");
    let answer = service.oneshot(stranger).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_CREDENTIALS], "true", "the page may read why");
}

#[tokio::test]
async fn cors_and_time_outs_compile_and_answer_outside_of_the_layer_in_axum() {
    let layers =
        ServiceBuilder::new().layer(cors()).layer(timeout()).layer(App::new().auth.layer());
    let router: Router = Router::new().route("/me", get(|| async { "me" })).layer(layers);
    is_readable_from_the_page(router, axum::body::Body::empty).await;
}

#[tokio::test]
async fn cors_and_time_outs_compile_and_answer_outside_of_the_layer_in_plain_tower() {
    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let layers =
        ServiceBuilder::new().layer(cors()).layer(timeout()).layer(App::new().auth.layer());
    is_readable_from_the_page(layers.service(inner), Full::<Bytes>::default).await;
}

#[tokio::test]
async fn cors_and_time_outs_compile_and_answer_outside_of_the_layer_in_tonic() {
    let (_reporter, health) = tonic_health::server::health_reporter();
    let layers =
        ServiceBuilder::new().layer(cors()).layer(timeout()).layer(App::new().auth.layer());
    is_readable_from_the_page(layers.service(health), tonic::body::Body::empty).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_gets_the_time_outs_status() {
    let app = App::new();
    let token = app.token(&tower_didt::testing::Wallet::from_seed("alice"));
    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = ServiceBuilder::new().layer(timeout()).layer(app.auth.layer()).service(inner);
    let request = Request::get("/me").header(AUTHORIZATION, format!("Bearer {token}"));
    let request = request.body(Full::default()).expect("a request");
    let answer = service.oneshot(request).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
}
