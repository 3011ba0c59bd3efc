//! An application with the page, and requests to it.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_didt::page::SignInPage;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Session, Verifier};

pub(crate) const AUDIENCE: &str = "did:magic:my-app";
pub(crate) const BROWSER: &[(&str, &str)] = &[
    ("host", "app.example"),
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
];
pub(crate) const SCRIPT: &[(&str, &str)] = &[
    ("host", "app.example"),
    ("accept", "application/json"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("sec-fetch-site", "same-origin"),
];

pub(crate) fn auth() -> DidAuth {
    DidAuth::new(Verifier::new(AUDIENCE))
}

pub(crate) fn app(auth: &DidAuth) -> Router {
    app_with(auth, SignInPage::new(auth, "pk_live_test"))
}

pub(crate) fn app_with(auth: &DidAuth, page: SignInPage) -> Router {
    Router::new()
        .route(
            "/me",
            get(async |session: Session| session.issuer().to_string()).post(async || "posted"),
        )
        .layer(auth.layer().redirecting_to("/auth/sign-in").unwrap())
        .nest_service("/auth", page)
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `name=value` of the session cookie.
    pub(crate) fn cookie(&self) -> String {
        let cookies: Vec<_> = self.headers.get_all("set-cookie").iter().collect();
        let session = cookies.iter().find(|value| value.as_bytes().starts_with(b"__Host-didt="));
        session.expect("a cookie").to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

pub(crate) async fn ask(app: &Router, method: &str, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response: Response<Body> =
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// With more headers than a browser's or a script's own.
pub(crate) fn and<'a>(
    base: &[(&'a str, &'a str)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

/// The cookie of somebody who signed in on the page.
pub(crate) async fn sign_in(app: &Router) -> String {
    let token = format!("Bearer {}", Wallet::from_seed("alice").token(AUDIENCE).mint());
    let answer =
        ask(app, "POST", "/auth/sign-in", &and(SCRIPT, &[("authorization", &token)])).await;
    assert_eq!(answer.status, StatusCode::OK);
    answer.cookie()
}
