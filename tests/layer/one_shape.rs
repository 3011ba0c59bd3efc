//! One place writes every answer of the layer, with the request's head before it.

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::Answer;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Refusal, Rejection, Session, StoreError};

use crate::support::{App, Body, FaultyStore, bearer, empty, with_cookie};

/// Says in its own words who was rejected why, and where; pages go to `/login`.
fn own_words(auth: DidAuth) -> DidAuth {
    auth.with_rejection_handler(|rejected| {
        if rejected.rejection().lacks_session() && rejected.is_navigation() {
            return Redirect::to("/login").into();
        }
        let words = format!(
            "{} {} {} {}",
            rejected.rejection().name(),
            rejected.method(),
            rejected.uri().path(),
            rejected.headers().get("x-client").map_or("?", |value| value.to_str().expect("ASCII")),
        );
        Answer::from((rejected.into_answer().status(), words))
    })
}

fn page(builder: http::request::Builder) -> Request<Body> {
    empty(builder.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document"))
}

#[tokio::test]
async fn pages_go_to_sign_in_for_strangers_and_for_ended_sessions_and_programs_get_401() {
    let app = App::new().with(own_words);
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    app.advance(8 * 24 * 60 * 60);
    let cookie =
        |value: &str| Request::builder().uri("/a").header("cookie", format!("__Host-didt={value}"));
    let rows = [
        ("a stranger", Request::builder().uri("/a"), "missing_credentials"),
        ("an ended session", cookie(&ticket), "session_expired"),
        ("a made-up session", cookie("x"), "unknown_session"),
    ];
    for (name, builder, reason) in rows {
        let headers = builder.headers_ref().expect("headers").clone();
        let answer = app.send(page(builder)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{name}");
        assert_eq!(answer.header("location"), Some("/login"), "{name}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");

        let mut request = empty(Request::builder().uri("/a").header("x-client", "program"));
        request.headers_mut().extend(headers);
        let answer = app.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
        assert_eq!(answer.body, format!("{reason} GET /a program"), "{name}");
        assert!(answer.header("www-authenticate").is_some(), "{name}");
    }
}

/// Every way to an answer that is the layer's: all of them in the application's own words.
#[tokio::test]
async fn no_answer_of_the_layer_bypasses_the_handler() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| own_words(auth.with_store(store.clone())));
    let hooked = |refuse: fn() -> Refusal| {
        App::new()
            .with(own_words)
            .with(|auth| auth.with_on_login(move |_| async move { Err::<(), _>(refuse()) }))
    };
    let alice = Wallet::from_seed("alice");
    let post = |ticket: &str| {
        let builder =
            Request::builder().method("POST").uri("/").header("sec-fetch-site", "cross-site");
        empty(builder.header("cookie", format!("__Host-didt={ticket}")))
    };
    let ticket = app.sign_in(&alice).await;
    let mut answers = vec![
        ("malformed", app.send(bearer("x")).await),
        ("cross_origin", app.send(post(&ticket)).await),
    ];
    for (name, refuse) in [
        ("refused", Refusal::forbidden as fn() -> _),
        ("application_unavailable", Refusal::unavailable),
        ("refused", || Refusal::from((StatusCode::GONE, "replaced by the handler"))),
    ] {
        let hooked = hooked(refuse);
        answers.push((name, hooked.send(bearer(&hooked.token(&alice))).await));
    }
    store.set_down(true);
    answers.push(("store_unavailable", app.send(with_cookie(&ticket)).await));
    store.set_down(false);
    for (name, answer) in answers {
        assert!(answer.body.starts_with(&format!("{name} ")), "{name}: {}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{name}");
        assert_eq!(answer.extensions.get::<Rejection>().expect(name).name(), name);
    }
}

async fn axum_get(app: &App, path: &str) -> (StatusCode, http::HeaderMap, String) {
    let fails = async || Err::<(), _>(StoreError::Unavailable("down".into()));
    let unsuited = async || Err::<(), _>(StoreError::Unsupported);
    let rejects = async || Err::<(), _>(Rejection::TokenUsed);
    let own_status = async || {
        let mut response = StoreError::Unavailable("down".into()).into_response();
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    };
    let with_cookie =
        async || ([("set-cookie", "a=b")], StoreError::Unavailable("down".into()).into_response());
    let router: Router = Router::new()
        .route("/me", get(async |_: Session| ()))
        .route("/fails", get(fails))
        .route("/unsuited", get(unsuited))
        .route("/rejects", get(rejects))
        .route("/own-status", get(own_status))
        .route("/with-cookie", get(with_cookie))
        .route_layer(app.auth.layer().optional())
        .route("/forgotten", get(async |_: Session| ()));
    let request = Request::builder().uri(path).header("x-client", "axum");
    let Ok(response) =
        router.oneshot(request.body(axum::body::Body::empty()).expect("a request")).await;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, head.headers, String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn failures_of_extractors_and_stores_in_handlers_are_written_by_the_layer_too() {
    let own = App::new().with(own_words);
    for (path, status, words) in [
        ("/me", 401, "missing_credentials GET /me axum"),
        ("/fails", 503, "store_unavailable GET /fails axum"),
        ("/unsuited", 500, "store_unsuited GET /unsuited axum"),
        ("/rejects", 401, "token_used GET /rejects axum"),
    ] {
        let (got, headers, body) = axum_get(&own, path).await;
        assert_eq!((got.as_u16(), body.as_str()), (status, words));
        assert_eq!(headers.get("cache-control").expect("no-store"), "no-store", "{path}");
        assert_eq!(headers.contains_key("www-authenticate"), status == 401, "{path}");
    }
    let plain = App::new().with(|auth| auth.with_retry_after(std::time::Duration::from_secs(77)));
    for (path, status, error) in [
        ("/me", 401, "unauthorized"),
        ("/fails", 503, "temporarily_unavailable"),
        ("/unsuited", 500, "server_error"),
        ("/rejects", 401, "invalid_token"),
        ("/forgotten", 500, "server_error"),
    ] {
        let (got, headers, body) = axum_get(&plain, path).await;
        assert_eq!(
            (got.as_u16(), body),
            (status, format!("{{\"error\":\"{error}\"}}\n")),
            "{path}"
        );
        assert_eq!(headers.get("content-type").expect("JSON"), "application/json", "{path}");
        let retry_after = headers.get("retry-after").map(|value| value.to_str().expect("ASCII"));
        assert_eq!(retry_after, (status == 503).then_some("77"), "{path}: the setting counts");
    }
}

#[tokio::test]
async fn what_a_handler_made_of_a_failure_itself_stays() {
    let own = App::new().with(own_words);
    let (status, _, body) = axum_get(&own, "/own-status").await;
    assert_eq!(
        (status, body),
        (StatusCode::BAD_GATEWAY, "{\"error\":\"temporarily_unavailable\"}\n".to_owned())
    );
    let (_, headers, body) = axum_get(&own, "/with-cookie").await;
    assert_eq!(body, "store_unavailable GET /with-cookie axum");
    assert_eq!(headers.get("set-cookie").expect("the application's"), "a=b");
}

#[tokio::test]
async fn a_service_without_axum_rejects_in_the_same_words() {
    let app = App::new().with(own_words);
    let service = service_fn(|_: Request<Body>| async {
        Ok::<_, std::convert::Infallible>(
            Rejection::SessionExpired(tower_didt::store::SessionExpired::Idle)
                .into_answer()
                .into_response(),
        )
    });
    let request = page(Request::builder().uri("/"));
    let Ok(response) = app.auth.layer().optional().layer(service).oneshot(request).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_refusal_of_any_body_reaches_the_client_whole() {
    let app = App::new().with(|auth| {
        auth.with_on_login(|_| async {
            let body = Pieces(["one ", "two"].into());
            Err::<(), Refusal>(axum::body::Body::new(body).into_response().into())
        })
    });
    let answer = app.send(bearer(&app.token(&Wallet::from_seed("alice")))).await;
    assert_eq!(answer.body, "one two");
}

/// A body of unknown length, in pieces.
struct Pieces(std::collections::VecDeque<&'static str>);

impl http_body::Body for Pieces {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        let piece = self.0.pop_front();
        std::task::Poll::Ready(piece.map(|piece| Ok(http_body::Frame::data(piece.into()))))
    }
}
