//! "Remember me": two routes to sign in at, one store, two lifetimes.

use std::time::Duration;

use http::StatusCode;
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Lifetimes};

use crate::support::{App, Body, bearer, both, with_cookie};

const HOUR: Duration = Duration::from_secs(3600);

/// Signs in at a route of these settings: the cookie, and its `Max-Age`.
async fn sign_in(auth: &DidAuth, request: http::Request<Body>) -> (String, String) {
    let service = service_fn(async |_: http::Request<Body>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
    });
    let layer = auth.layer().session_only().signing_in_anew();
    let Ok(response) = layer.layer(service).oneshot(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
    let part = |name: &str| {
        let rest = cookie.split("; ").find_map(|part| part.strip_prefix(name));
        rest.expect("a part").to_owned()
    };
    (part("__Host-didt="), part("Max-Age="))
}

#[tokio::test]
async fn a_session_ends_when_the_route_said_where_it_began() {
    let app = App::new().with(|auth| auth.with_lifetimes(Lifetimes::new(720 * HOUR)));
    let brief = app.auth.clone().with_lifetimes(Lifetimes::new(12 * HOUR));
    let alice = Wallet::from_seed("alice");
    let (short, age) = sign_in(&brief, bearer(&app.token(&alice))).await;
    assert_eq!(age, "43200");
    let (long, age) = sign_in(&app.auth, bearer(&app.token(&alice))).await;
    assert_eq!(age, "2592000");
    app.advance(12 * 3600 - 1);
    assert_eq!(app.send(with_cookie(&short)).await.status, StatusCode::OK);
    app.advance(1);
    assert_eq!(app.send(with_cookie(&short)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&long)).await.status, StatusCode::OK);
}

/// The box is unticked: the long session ends, a short one begins.
#[tokio::test]
async fn signing_in_anew_at_the_other_route_replaces_the_session() {
    let app = App::new().with(|auth| auth.with_lifetimes(Lifetimes::new(720 * HOUR)));
    let brief = app.auth.clone().with_lifetimes(Lifetimes::new(12 * HOUR));
    let alice = Wallet::from_seed("alice");
    let (long, _) = sign_in(&app.auth, bearer(&app.token(&alice))).await;
    app.advance(3600);
    let (other, age) = sign_in(&brief, both(&app.token(&alice), &long)).await;
    assert_eq!(age, "43200");
    assert_eq!(app.send(with_cookie(&long)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&other)).await.status, StatusCode::OK);
}
