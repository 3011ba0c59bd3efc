//! A layer that makes no sessions: a token authenticates its own request and nothing more.

use std::convert::Infallible;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::BindingFault;
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, Clock, NoSessions, Rejection, Replay, Session, Timestamp};

use crate::support::{AUDIENCE, App, Body, FaultyStore, bearer, both, empty, request, with_cookie};

fn alice() -> Wallet {
    Wallet::from_seed("alice")
}

fn reason(answer: &crate::support::Answer) -> &'static str {
    answer.extensions.get::<Rejection>().map_or("passed", Rejection::name)
}

#[tokio::test]
async fn a_token_passes_again_and_again_without_a_cookie_and_still_signs_in_elsewhere() {
    let app = App::new();
    let token = app.token(&alice());
    for _ in 0..3 {
        let answer = app.send_without_sign_in(bearer(&token)).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &alice().issuer().to_string()));
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
    }
    let sessions = app.list(alice().issuer()).await;
    assert!(sessions.is_empty(), "{sessions:?}");
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "the token was not used up");
    assert_eq!(app.send_without_sign_in(bearer(&token)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn of_a_token_alone_the_store_is_asked_once_whether_it_was_revoked() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    assert_eq!(app.send_without_sign_in(bearer(&app.token(&alice()))).await.status, 200);
    assert_eq!(store.calls(), 1);
    store.set_down(true);
    assert_eq!(app.send_without_sign_in(bearer(&app.token(&alice()))).await.status, 503);
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    assert_eq!(app.send_without_sign_in(bearer(&app.token(&alice()))).await.status, 200);
}

#[tokio::test]
async fn a_token_expires_when_it_is_too_old_whatever_its_holder_says() {
    let app = App::new().with(|auth| auth.with_max_token_age(Duration::from_secs(600)));
    let expires_at = |lifespan: f64| {
        let ext = app.clock.now().as_secs_f64() + lifespan;
        let token = alice().token(AUDIENCE).issued_at(app.clock.now()).set("ext", ext).mint();
        let told = service_fn(|request: Request<Body>| {
            let expires_at = request.extensions().get::<Session>().map(Session::expires_at);
            let mut response = Response::new(Body::default());
            response.extensions_mut().insert(expires_at.expect("passed"));
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let answer = app.auth.layer().without_sign_in().layer(told).oneshot(bearer(&token));
        async { answer.await.expect("an answer").extensions().get::<Timestamp>().copied() }
    };
    for (lifespan, expected) in [(60.0, 60), (600.0, 600), (601.0, 600), (1e18, 600)] {
        let expected = app.clock.now().plus(Duration::from_secs(expected));
        assert_eq!(expires_at(lifespan).await, Some(expected), "{lifespan}");
    }
}

#[tokio::test]
async fn sessions_work_as_ever_and_the_token_still_wins() {
    let app = App::new();
    let ticket = app.sign_in(&alice()).await;
    let answer = app.send_without_sign_in(with_cookie(&ticket)).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, alice().issuer().to_string()));

    let bob = Wallet::from_seed("bob");
    let answer = app.send_without_sign_in(both(&app.token(&bob), &ticket)).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::OK, &bob.issuer().to_string()));
    assert!(answer.set_cookies().is_empty(), "{answer:?}");
    let answer = app.send(with_cookie(&ticket)).await;
    assert_eq!(answer.status, StatusCode::OK, "another issuer's token replaces no session here");

    let answer = app.send_without_sign_in(both("nonsense", &ticket)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:?}");
}

#[tokio::test]
async fn a_token_of_single_use_is_used_up_here_too() {
    let app = App::new().with(|auth| auth.with_replay(Replay::SingleUse));
    let token = app.token(&alice());
    assert_eq!(app.send_without_sign_in(bearer(&token)).await.status, StatusCode::OK);
    assert_eq!(reason(&app.send_without_sign_in(bearer(&token)).await), "token_used");
    assert_eq!(reason(&app.send(bearer(&token)).await), "token_used");
}

#[tokio::test]
async fn only_the_newest_token_is_good_here_too() {
    let app = App::new().with(|auth| auth.with_replay(Replay::NewestOnly));
    let older = app.token(&alice());
    app.advance(10);
    let newer = app.token(&alice());
    assert_eq!(app.send_without_sign_in(bearer(&newer)).await.status, StatusCode::OK);
    assert_eq!(reason(&app.send_without_sign_in(bearer(&older)).await), "token_superseded");
}

#[tokio::test]
async fn bound_login_holds_here_too_and_the_challenge_stays_good_until_it_is_used() {
    let app = App::new().with(|auth| auth.with_bound_login(BoundLogin::required()));
    let challenge = app.auth.challenge().expect("a challenge");
    let cookie = challenge.set_cookie().to_str().expect("ASCII");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let alice = alice();
    let token = alice.token(AUDIENCE).issued_at(app.clock.now());
    let token = token.attachment(challenge.value()).mint();
    let bound = || {
        let builder = request().header(AUTHORIZATION, format!("Bearer {token}"));
        empty(builder.header(COOKIE, &cookie))
    };

    assert_eq!(reason(&app.send_without_sign_in(bearer(&token)).await), "unbound_login");
    for _ in 0..2 {
        let answer = app.send_without_sign_in(bound()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
    }
    assert_eq!(app.send(bound()).await.status, StatusCode::OK);
    let answer = app.send_without_sign_in(bound()).await;
    let reason = answer.extensions.get::<Rejection>().expect("a reason").to_string();
    assert_eq!(reason, BindingFault::ChallengeUsed.to_string());
}

#[tokio::test]
async fn the_hook_is_asked_here_too() {
    let app = App::new().with(|auth| {
        auth.with_on_login(|_| async { Err::<(), _>(tower_didt::Refusal::forbidden()) })
    });
    let answer = app.send_without_sign_in(bearer(&app.token(&alice()))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_of_another_origin_may_bring_a_token_since_nobody_is_signed_in_by_it() {
    let app = App::new();
    let foreign = |token: &str| {
        let builder = request().header(AUTHORIZATION, format!("Bearer {token}"));
        let builder = builder.header("sec-fetch-site", "cross-site");
        empty(builder.header(ORIGIN, "https://elsewhere.example"))
    };
    let token = app.token(&alice());
    assert_eq!(app.send_without_sign_in(foreign(&token)).await.status, StatusCode::OK);
    assert_eq!(app.send(foreign(&token)).await.status, StatusCode::FORBIDDEN);
}
