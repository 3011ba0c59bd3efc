//! `Session` and `Option<Session>` as axum extractors.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_didt::testing::Wallet;
use tower_didt::{Session, StoreError};

use crate::support::App;

fn router(app: &App) -> Router {
    let whoami = |session: Session| async move { session.issuer().to_string() };
    let maybe = |session: Option<Session>| async move {
        session.map_or("nobody".to_owned(), |session| session.issuer().to_string())
    };
    let sign_out = |session: Session| async move { session.sign_out().await.map(|()| "bye") };
    Router::new()
        .route("/me", get(whoami))
        .route("/sign-out", post(sign_out))
        .layer(app.auth.layer())
        .route("/open", get(maybe))
        .route("/open/me", get(whoami))
        .route_layer(app.auth.layer().optional())
        .route("/forgotten", get(maybe))
}

async fn get_path(
    app: &App,
    path: &str,
    token: Option<&str>,
) -> (StatusCode, Option<String>, String) {
    let mut builder = Request::builder().uri(path);
    if let Some(token) = token {
        builder = builder.header("authorization", format!("Bearer {token}"));
    }
    let request = builder.body(Body::empty()).expect("a request");
    let Ok(response) = router(app).oneshot(request).await;
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().expect("ASCII").to_owned());
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, challenge, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn handlers_get_the_session_required_or_optional() {
    let app = App::new();
    let alice = Wallet::from_seed("alice");
    let issuer = alice.issuer().to_string();
    for path in ["/me", "/open", "/open/me"] {
        let (status, _, body) = get_path(&app, path, Some(&app.token(&alice))).await;
        assert_eq!((status, &body), (StatusCode::OK, &issuer), "{path}");
    }
    let (status, _, body) = get_path(&app, "/open", None).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "nobody"));
}

#[tokio::test]
async fn a_required_session_behind_an_optional_layer_is_401_with_a_challenge() {
    for path in ["/me", "/open/me"] {
        let (status, challenge, _) = get_path(&App::new(), path, None).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(challenge.as_deref(), Some("Bearer realm=\"magic\""), "{path}");
    }
}

#[tokio::test]
async fn a_route_without_the_layer_is_a_server_error_and_never_nobody() {
    let app = App::new();
    let (status, ..) =
        get_path(&app, "/forgotten", Some(&app.token(&Wallet::from_seed("a")))).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn a_store_error_in_a_handler_becomes_503_with_retry_after() {
    let response = StoreError::Unavailable("down".into()).into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
}

#[test]
fn a_store_error_that_would_come_again_is_500_and_asks_nobody_to_retry() {
    for error in [StoreError::Unsupported, StoreError::TooLarge { size: 5_000, limit: 4_096 }] {
        let response = error.into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!response.headers().contains_key("retry-after"));
    }
}
