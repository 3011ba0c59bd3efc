//! Pages of other origins and the visitor's cookie.

use http::{Method, StatusCode};
use tower_didt::NoSessions;
use tower_didt::testing::Wallet;

use crate::support::{App, bearer, with_cookie};

fn cross_site(
    mut request: http::Request<crate::support::Body>,
) -> http::Request<crate::support::Body> {
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert("host", "app.example.com".parse().expect("a host"));
    headers.insert("origin", "https://evil.example".parse().expect("an origin"));
    headers.insert("sec-fetch-site", "cross-site".parse().expect("a site"));
    request
}

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookie_for_a_post() {
    let app = App::new();
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    for answer in [
        app.send(cross_site(with_cookie(&ticket))).await,
        app.send_optional(cross_site(with_cookie(&ticket))).await,
    ] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.set_cookies().is_empty(), "the session stays");
    }
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_foreign_page_cannot_open_a_websocket_with_the_cookie() {
    let app = App::new();
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    let mut request = cross_site(with_cookie(&ticket));
    *request.method_mut() = Method::GET;
    request.headers_mut().insert("upgrade", "websocket".parse().expect("a value"));
    assert_eq!(app.send(request).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_foreign_page_cannot_sign_a_visitor_in_unless_its_origin_is_trusted() {
    let alice = Wallet::from_seed("alice");
    let app = App::new();
    let token = app.token(&alice);
    assert_eq!(app.send(cross_site(bearer(&token))).await.status, StatusCode::FORBIDDEN);
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "the token was not used up");

    let trusting = App::new()
        .with(|auth| auth.with_trusted_origins(["https://evil.example"]).expect("an origin"));
    let answer = trusting.send(cross_site(bearer(&trusting.token(&alice)))).await;
    assert!(answer.ticket().is_some());
}

#[tokio::test]
async fn without_sessions_a_token_serves_pages_of_any_origin() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    assert_eq!(app.send(cross_site(bearer(&token))).await.status, StatusCode::OK);
}
