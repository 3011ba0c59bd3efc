//! Guards that read the profile.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{COOKIE, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use tower::ServiceExt;
use tower_didt::magic::Magic;
use tower_didt::testing::{self, Fault, FixedClock, TestUser, Wallet, sign_in};
use tower_didt::{DidAuth, Guard, MagicSignIn, MagicUser, Rejection, Verifier};

use super::support::{APP, NOW, ada, api, issuer, stub};

fn at_example() -> Guard {
    Guard::magic_user(|user: &MagicUser| {
        user.email().is_some_and(|email| email.as_str().ends_with("@example.com"))
    })
}

fn auth(stub: &testing::Magic) -> (DidAuth, FixedClock) {
    let clock = FixedClock::at(NOW);
    let magic = MagicSignIn::new(Magic::over(api(stub)))
        .admitting_unknown_users()
        .admitting_while_unavailable();
    let auth = DidAuth::new(Verifier::new(APP)).with_clock(clock.clone());
    (auth.with_magic(magic), clock)
}

/// The answers to the guard, to its opposite, and to both in two ways.
async fn answers(auth: &DidAuth, cookie: &http::HeaderValue) -> [u16; 4] {
    let mut answers = [0; 4];
    let no = || Guard::session(|_| false);
    let guards = [at_example(), !at_example(), at_example() | no(), at_example() & no()];
    for (answer, guard) in answers.iter_mut().zip(guards) {
        *answer = ask(auth, guard, cookie).await.status().as_u16();
    }
    answers
}

async fn ask(auth: &DidAuth, guard: Guard, cookie: &http::HeaderValue) -> Response<Body> {
    let routes: Router =
        Router::new().route("/", get(async || "in").route_layer(guard.layer())).layer(auth.layer());
    let request = Request::get("/").header(COOKIE, cookie).body(Body::empty()).expect("a request");
    let Ok(response) = routes.oneshot(request).await;
    response
}

#[tokio::test(start_paused = true)]
async fn who_may_is_read_from_the_profile() {
    let stub = stub();
    stub.add_user(TestUser::new(issuer("grace")).email("grace@example.org"));
    stub.add_user(TestUser::new(issuer("phone")).phone_number("+14155550100"));
    let (auth, _) = auth(&stub);
    for (person, expected) in [
        ("ada", [200, 403, 200, 403]),
        ("grace", [403, 200, 403, 403]),
        ("phone", [403, 200, 403, 403]),
    ] {
        let cookie = sign_in(&auth, &Wallet::from_seed(person)).await;
        assert_eq!(answers(&auth, &cookie).await, expected, "{person}");
    }
}

/// Of whom Magic knows nothing, nothing is true.
#[tokio::test(start_paused = true)]
async fn who_is_unknown_to_magic_is_not_permitted() {
    let stub = stub();
    let (auth, clock) = auth(&stub);
    let mallory = sign_in(&auth, &Wallet::from_seed("mallory")).await;
    let response = ask(&auth, at_example(), &mallory).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let name = response.extensions().get::<Rejection>().map(Rejection::name);
    assert_eq!(name, Some("not_permitted"));

    // Deleted later: Magic's word counts from when it was said.
    let cookie = sign_in(&auth, &Wallet::from_seed("ada")).await;
    stub.remove_user(ada());
    clock.advance(Duration::from_secs(3600));
    assert_eq!(ask(&auth, at_example(), &cookie).await.status(), StatusCode::OK);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(ask(&auth, at_example(), &cookie).await.status(), StatusCode::FORBIDDEN);
}

/// Nobody knows yet who that is: neither the guard nor its opposite lets them in.
#[tokio::test(start_paused = true)]
async fn without_an_answer_of_magic_nobody_passes_either_way() {
    let stub = stub();
    stub.fail_always(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    let (auth, _) = auth(&stub);
    let cookie = sign_in(&auth, &Wallet::from_seed("ada")).await;
    assert_eq!(answers(&auth, &cookie).await, [503, 503, 503, 403]);
    let response = ask(&auth, at_example(), &cookie).await;
    assert!(response.headers().contains_key(RETRY_AFTER));
    let name = response.extensions().get::<Rejection>().map(Rejection::name);
    assert_eq!(name, Some("no_profile"));
}

/// A mistake of the program, and said as one.
#[tokio::test]
async fn where_magic_is_not_asked_at_all_nobody_passes() {
    let auth = DidAuth::new(Verifier::new(APP)).with_clock(FixedClock::at(NOW));
    let cookie = sign_in(&auth, &Wallet::from_seed("ada")).await;
    assert_eq!(answers(&auth, &cookie).await, [500, 500, 500, 403]);
}
