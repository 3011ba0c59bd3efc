//! Request heads as clients send them: 302 for a person who opens a page, 401 for all else.

use axum::Router;
use axum::routing::any;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tower_didt::Session;
use tower_didt::layer::is_navigation;
use tower_didt_test_support::request_heads::HEADS;

use crate::support::{ask, auth};

#[test]
fn a_person_who_opens_a_page_is_sent_and_nobody_else() {
    for (name, method, headers, sent) in HEADS {
        let mut map = HeaderMap::new();
        for (header, value) in *headers {
            map.append(HeaderName::from_static(header), HeaderValue::from_static(value));
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(is_navigation(&method, &map), *sent, "{name}");
    }
    assert!(HEADS.len() >= 100, "{}", HEADS.len());
}

/// The same through the layer.
#[tokio::test]
async fn a_person_gets_a_302_and_everybody_else_the_401_of_before() {
    let app: Router =
        Router::new().route("/me", any(async |session: Session| session.issuer().to_string()));
    let app = app.layer(auth().layer().redirecting_to("/auth/sign-in").unwrap());
    for (name, method, headers, sent) in HEADS {
        let answer = ask(&app, method, "/me", headers).await;
        let location = if *sent { "/auth/sign-in?rd=/me" } else { "" };
        assert_eq!(answer.header("location"), location, "{name}");
        let status = if *sent { StatusCode::FOUND } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, status, "{name}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), !sent, "{name}");
    }
}

#[test]
fn html_may_be_named_in_a_second_line_and_only_the_first_ranges_are_read() {
    let mut map = HeaderMap::new();
    map.append("accept", HeaderValue::from_static("image/png;q=0.5"));
    map.append("accept", HeaderValue::from_static("text/html"));
    assert!(is_navigation(&Method::GET, &map));
    let many = format!("{}text/html", "image/png;q=0.1,".repeat(32));
    map.clear();
    map.insert("accept", HeaderValue::try_from(many).unwrap());
    assert!(!is_navigation(&Method::GET, &map));
}
