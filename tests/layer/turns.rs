//! New tokens wait their turn, and everything else is answered in between.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Response, StatusCode};
use tokio::task::JoinSet;
use tower::{Layer, Service, service_fn};
use tower_didt::Clock;
use tower_didt::testing::Wallet;

use crate::support::{App, Body, bearer, with_cookie};

type Answering = Pin<Box<dyn Future<Output = Response<()>> + Send>>;

/// A request on its way through a required layer.
fn send(app: &App, request: http::Request<Body>) -> Answering {
    let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(())));
    let answering = app.auth.layer().layer(inner).call(request);
    Box::pin(async {
        let Ok(response) = answering.await;
        response.map(drop)
    })
}

fn poll(answering: &mut Answering) -> Option<Response<()>> {
    match answering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(response) => Some(response),
        Poll::Pending => None,
    }
}

/// Polls one that waits for nobody but itself.
fn finish(mut answering: Answering) -> Response<()> {
    (0..100).find_map(|_| poll(&mut answering)).expect("an answer")
}

fn token(app: &App, number: usize) -> http::Request<Body> {
    bearer(&app.token(&Wallet::from_seed(number.to_string())))
}

/// So many sign-ins that the next one has to wait.
fn waiting(app: &App) -> Answering {
    for number in 0..100 {
        let mut answering = send(app, token(app, number));
        if poll(&mut answering).is_none() {
            return answering;
        }
    }
    unreachable!("nobody waits")
}

#[tokio::test]
async fn a_session_is_answered_at_once_while_new_tokens_wait() {
    let app = App::new();
    let known = app.token(&Wallet::from_seed("alice"));
    let cookie = app.send(bearer(&known)).await.ticket().expect("a session");
    let mut flood: Vec<_> = (0..50).map(|number| send(&app, token(&app, number))).collect();
    let at_once = flood.iter_mut().filter_map(poll).count();
    assert!(at_once < 4, "{at_once} were checked before anything else had its turn");
    let session = poll(&mut send(&app, with_cookie(&cookie))).expect("an answer at once");
    assert_eq!(session.status(), StatusCode::OK);
    let seen = poll(&mut send(&app, bearer(&known))).expect("a token seen before needs no check");
    assert_eq!(seen.status(), StatusCode::OK);
}

#[tokio::test]
async fn everybody_of_a_flood_gets_a_session() {
    let app = App::new();
    let mut flood: JoinSet<_> = (0..300).map(|number| send(&app, token(&app, number))).collect();
    let mut sessions = 0;
    while let Some(response) = flood.join_next().await {
        let response = response.expect("no panic");
        assert_eq!(response.status(), StatusCode::OK);
        sessions += usize::from(response.headers().contains_key("set-cookie"));
    }
    assert_eq!(sessions, 300);
}

#[tokio::test]
async fn a_token_that_expires_while_it_waits_is_refused() {
    let app = App::new();
    let answering = waiting(&app);
    app.advance(901);
    assert_eq!(finish(answering).status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_bad_signature_is_refused_when_its_turn_comes() {
    let app = App::new();
    drop(waiting(&app));
    let [alice, mallory] = ["alice", "mallory"].map(Wallet::from_seed);
    let claim = alice.token(crate::support::AUDIENCE).issued_at(app.clock.now()).claim();
    let mut forged = send(&app, bearer(&mallory.token_from_claim(&claim)));
    assert!(poll(&mut forged).is_none(), "it waits as any other");
    assert_eq!(finish(forged).status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_that_waits_twice_makes_one_session() {
    let app = App::new();
    drop(waiting(&app));
    let text = app.token(&Wallet::from_seed("alice"));
    let mut both = [send(&app, bearer(&text)), send(&app, bearer(&text))];
    assert!(both.iter_mut().all(|answering| poll(answering).is_none()));
    let both = both.map(finish);
    assert!(both.iter().all(|response| response.status() == StatusCode::OK));
    let sessions = both.iter().filter(|response| response.headers().contains_key("set-cookie"));
    assert_eq!(sessions.count(), 1);
}
