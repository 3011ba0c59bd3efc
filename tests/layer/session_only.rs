//! A route that pages sign in at: a session, or 401; and bearer tokens of the application's own.

use http::header::{AUTHORIZATION, COOKIE};
use http::{Request, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{NoSessions, Rejection, Session};

use crate::support::{App, Body, FaultyStore, bearer, both, empty, request, with_cookie};

/// What the sign-in route answers: the status, and why not.
async fn sign_in(app: &App, request: Request<Body>) -> (StatusCode, Option<&'static str>) {
    let service = service_fn(|request: Request<Body>| async move {
        let session = request.extensions().get::<Session>().expect("a session or 401");
        assert!(session.handle().is_some(), "a session, and no token alone");
        Ok::<_, std::convert::Infallible>(http::Response::new(Body::default()))
    });
    let Ok(response) = app.auth.layer().session_only().layer(service).oneshot(request).await;
    (response.status(), response.extensions().get().map(Rejection::name))
}

#[tokio::test]
async fn a_sign_in_route_answers_with_a_session_or_401() {
    for app in [App::new(), App::new().with(|auth| auth.with_store(FaultyStore::default()))] {
        let alice = Wallet::from_seed("alice");
        let token = app.token(&alice);
        assert_eq!(sign_in(&app, bearer(&token)).await, (StatusCode::OK, None));
        let used = (StatusCode::UNAUTHORIZED, Some("token_used"));
        assert_eq!(sign_in(&app, bearer(&token)).await, used);
        assert_eq!(sign_in(&app, both(&token, "ended")).await, used);
        assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK, "elsewhere as ever");

        app.advance(1);
        let ticket = app.sign_in(&alice).await;
        assert_eq!(sign_in(&app, both(&token, &ticket)).await, (StatusCode::OK, None));
        assert_eq!(sign_in(&app, with_cookie(&ticket)).await, (StatusCode::OK, None));
        let (status, _) = sign_in(&app, empty(request())).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let forgetful = App::new().with(|auth| auth.with_store(NoSessions));
    let token = forgetful.token(&Wallet::from_seed("alice"));
    let (status, _) = sign_in(&forgetful, bearer(&token)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_applications_own_bearer_is_left_to_it_where_it_says_so_and_the_cookie_decides() {
    let app = App::new().with(tower_didt::DidAuth::with_foreign_bearers);
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    for key in ["an-api-key", "eyJhbGciOiJub25lIn0.e30.", ""] {
        assert_eq!(app.send(both(key, &ticket)).await.body, alice.issuer().to_string(), "{key}");
        assert_eq!(app.send(bearer(key)).await.status, StatusCode::UNAUTHORIZED, "{key}");
        assert_eq!(app.send(both(key, "ended")).await.status, StatusCode::UNAUTHORIZED, "{key}");
        assert_eq!(app.send_optional(bearer(key)).await.body, "nobody", "{key}");
        let plain = App::new();
        let ticket = plain.sign_in(&alice).await;
        assert_eq!(plain.send(both(key, &ticket)).await.status, StatusCode::UNAUTHORIZED, "{key}");
    }
    // A DID token stays ours, however bad it is, and so does what is ambiguous.
    let other = alice.token("did:magic:other").issued_at(crate::support::START).mint();
    assert_eq!(app.send(both(&other, &ticket)).await.status, StatusCode::UNAUTHORIZED);
    let twice = request().header(AUTHORIZATION, "Bearer a").header(AUTHORIZATION, "Bearer b");
    let twice = empty(twice.header(COOKIE, format!("__Host-didt={ticket}")));
    assert_eq!(app.send(twice).await.status, StatusCode::BAD_REQUEST);
    let mut foreign = both("an-api-key", &ticket);
    *foreign.method_mut() = http::Method::POST;
    foreign.headers_mut().insert("sec-fetch-site", http::HeaderValue::from_static("cross-site"));
    assert_eq!(app.send(foreign).await.status, StatusCode::FORBIDDEN, "as with the cookie alone");
}
