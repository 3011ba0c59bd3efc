//! A response that carries one of our cookies is stored by nobody, whatever the application says.

use std::convert::Infallible;

use http::{HeaderMap, Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, DidLayer, Lifetimes, Refusal, Session, SessionCookie};

use crate::support::{App, Body, bearer, empty, request, with_cookie};

/// What an application says to caches about a page that is the same for everybody.
const CACHEABLE: [(&str, &str); 9] = [
    ("cache-control", "public, max-age=600"),
    ("cdn-cache-control", "max-age=600"),
    ("cloudflare-cdn-cache-control", "max-age=600"),
    ("vercel-cdn-cache-control", "max-age=600"),
    ("netlify-cdn-cache-control", "public, s-maxage=600"),
    ("surrogate-control", "max-age=600"),
    ("x-accel-expires", "600"),
    ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
    ("pragma", "public"),
];

fn add_cacheable(headers: &mut HeaderMap) {
    for (name, value) in CACHEABLE {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
}

/// The headers of the answer to a request for a page that everybody may store.
async fn headers(layer: DidLayer, request: Request<Body>) -> HeaderMap {
    let service = service_fn(|request: Request<Body>| async move {
        if request.uri().path() == "/sign-out"
            && let Some(session) = request.extensions().get::<Session>()
        {
            session.sign_out().await.expect("memory answers");
        }
        let mut response = Response::new(Body::from("a page"));
        add_cacheable(response.headers_mut());
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = layer.layer(service).oneshot(request).await;
    response.headers().clone()
}

fn assert_stored_by_nobody(headers: &HeaderMap, when: &str) {
    assert!(headers.contains_key("set-cookie"), "{when}: this is about cookies");
    let said: Vec<_> = headers.get_all("cache-control").iter().collect();
    assert_eq!(said, ["no-store"], "{when}");
    for (name, _) in CACHEABLE.iter().skip(1) {
        assert!(!headers.contains_key(*name), "{when}: {name}");
    }
}

#[tokio::test]
async fn signing_in_renewal_and_removal_forbid_caches_to_store_the_applications_answer() {
    let hour = std::time::Duration::from_secs(3600);
    let app = App::new().with(|auth| {
        auth.with_lifetimes(Lifetimes::default().with_idle_timeout(hour)).with_store(
            tower_didt::SealedStore::new(
                sealing_keys(),
                tower_didt::sealed::MemoryLedger::default(),
            ),
        )
    });
    let alice = Wallet::from_seed("alice");
    let signed_in = headers(app.auth.layer(), bearer(&app.token(&alice))).await;
    assert_stored_by_nobody(&signed_in, "signing in");

    let ticket = app.sign_in(&alice).await;
    let kept = headers(app.auth.layer(), with_cookie(&ticket)).await;
    assert_eq!(kept.get("cdn-cache-control").expect("the application's"), "max-age=600");
    app.advance(1800);
    assert_stored_by_nobody(&headers(app.auth.layer(), with_cookie(&ticket)).await, "renewal");

    let optional = app.auth.layer().optional();
    assert_stored_by_nobody(&headers(optional, with_cookie("x")).await, "removal");
    let memory = App::new();
    let ticket = memory.sign_in(&alice).await;
    let sign_out = empty(
        Request::builder().uri("/sign-out").header("cookie", format!("__Host-didt={ticket}")),
    );
    assert_stored_by_nobody(&headers(memory.auth.layer(), sign_out).await, "sign-out");
}

fn sealing_keys() -> tower_didt::SealingKeys {
    tower_didt::SealingKeys::generate().expect("randomness")
}

#[tokio::test]
async fn an_answer_without_our_cookie_is_left_as_the_application_has_it() {
    let app = App::new();
    let headers = headers(app.auth.layer().optional(), empty(request())).await;
    for (name, value) in CACHEABLE {
        assert_eq!(headers.get(name).expect(name), value);
    }
}

#[tokio::test]
async fn a_challenge_that_a_handler_lets_caches_store_is_stored_by_nobody_all_the_same() {
    for cookie in [
        SessionCookie::default(),
        SessionCookie::default().insecure_over_http(),
        SessionCookie::for_sub_domains("didt", "example.com").expect("a domain"),
    ] {
        let app = App::new()
            .with(|auth| auth.with_bound_login(BoundLogin::required()).with_cookie(cookie));
        let auth = app.auth.clone();
        let service = service_fn(move |_: Request<Body>| {
            let mut response = auth.challenge().expect("randomness").to_response();
            add_cacheable(response.headers_mut());
            async { Ok::<_, Infallible>(response.map(Body::new)) }
        });
        let Ok(response) =
            app.auth.layer().optional().layer(service).oneshot(empty(request())).await;
        assert_stored_by_nobody(response.headers(), "a challenge");
    }
    let challenge = App::new().with(|auth| auth.with_bound_login(BoundLogin::required()));
    let response = challenge.auth.challenge().expect("randomness").to_response();
    assert_stored_by_nobody(response.headers(), "a challenge without a layer");
}

#[tokio::test]
async fn neither_a_refusal_nor_a_rejection_may_be_stored_with_or_without_a_cookie() {
    let cacheable = || {
        let mut response = Response::new(String::from("no"));
        *response.status_mut() = http::StatusCode::FORBIDDEN;
        add_cacheable(response.headers_mut());
        response
    };
    let refusing = App::new().with(|auth| {
        auth.with_on_login(move |_| async move { Err::<(), _>(Refusal::response(cacheable())) })
    });
    let handled = App::new().with(|auth| auth.with_rejection_handler(move |_| cacheable()));
    let alice = Wallet::from_seed("alice");
    for (when, answer) in [
        ("a refusal", refusing.send(bearer(&refusing.token(&alice))).await),
        ("a rejection", handled.send(bearer("x")).await),
        ("a rejection that takes the cookie away", handled.send(with_cookie("x")).await),
    ] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{when}");
        for (name, _) in CACHEABLE.iter().skip(1) {
            assert_eq!(answer.header(name), None, "{when}");
        }
    }
}
