//! One hook runs once per sign-in, the other for every accepted token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use http::StatusCode;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::AcceptedToken;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Login, NoSessions, Refusal, Session};

use crate::support::{App, Body, bearer, both, with_cookie};

/// What the hooks were asked, and whether they refuse.
#[derive(Clone, Default)]
struct Hooks {
    sign_ins: Arc<AtomicUsize>,
    tokens: Arc<AtomicUsize>,
    refuse_sign_ins: Arc<AtomicBool>,
    refuse_tokens: Arc<AtomicBool>,
}

impl Hooks {
    fn on_sign_in(&self, auth: DidAuth) -> DidAuth {
        let Self { sign_ins, refuse_sign_ins: refuse, .. } = self.clone();
        auth.with_on_sign_in(move |login: Login| {
            assert!(login.headers().contains_key("authorization"));
            sign_ins.fetch_add(1, SeqCst);
            let answer = if refuse.load(SeqCst) { Err(Refusal::forbidden()) } else { Ok(1_u8) };
            async move { answer }
        })
    }

    fn on_token(&self, auth: DidAuth) -> DidAuth {
        let Self { tokens, refuse_tokens: refuse, .. } = self.clone();
        auth.with_on_token(move |token: AcceptedToken| {
            assert_eq!(token.claim().issuer(), token.issuer());
            tokens.fetch_add(1, SeqCst);
            let answer = if refuse.load(SeqCst) { Err(Refusal::forbidden()) } else { Ok(2_u8) };
            async move { answer }
        })
    }

    fn app(&self) -> App {
        App::new().with(|auth| self.on_token(self.on_sign_in(auth)))
    }

    fn asked(&self) -> (usize, usize) {
        (self.sign_ins.load(SeqCst), self.tokens.load(SeqCst))
    }
}

#[tokio::test]
async fn the_one_runs_once_per_sign_in_and_the_others_answers_are_kept() {
    let hooks = Hooks::default();
    let app = hooks.app();
    let alice = Wallet::from_seed("alice");
    let token = app.token(&alice);
    let ticket = app.send(bearer(&token)).await.ticket().expect("signed in");
    assert_eq!(hooks.asked(), (1, 1));
    for _ in 0..3 {
        assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK, "authenticates again");
        app.send(with_cookie(&ticket)).await;
        app.send(both(&token, &ticket)).await;
    }
    assert_eq!(hooks.asked(), (1, 1), "no session began, and the answer is known");

    app.sign_in(&alice).await;
    assert_eq!(hooks.asked(), (2, 2), "another token, another session");
    app.advance(29);
    app.send(bearer(&token)).await;
    assert_eq!(hooks.asked(), (2, 2));
    app.advance(1);
    app.send(bearer(&token)).await;
    assert_eq!(hooks.asked(), (2, 3), "after 30 seconds the answer is asked for again");
}

#[tokio::test]
async fn a_clock_that_goes_back_keeps_no_answer_for_longer() {
    let hooks = Hooks::default();
    let app = hooks.app();
    let token = app.token(&Wallet::from_seed("alice"));
    app.advance(60);
    app.send(bearer(&token)).await;
    app.clock.set(crate::support::START);
    app.send(bearer(&token)).await;
    assert_eq!(hooks.asked(), (1, 2));
}

#[tokio::test]
async fn the_time_of_an_answer_can_be_chosen() {
    let hooks = Hooks::default();
    let app = App::new().with(|auth| hooks.on_token(auth).with_token_answer_time(Duration::ZERO));
    let token = app.token(&Wallet::from_seed("alice"));
    for asked in 1..4 {
        app.send(bearer(&token)).await;
        assert_eq!(hooks.asked(), (0, asked));
    }
}

#[tokio::test]
async fn a_refusal_is_kept_by_neither_and_uses_no_token_up() {
    let hooks = Hooks::default();
    let app = hooks.app();
    let token = app.token(&Wallet::from_seed("alice"));
    for refuse in [&hooks.refuse_tokens, &hooks.refuse_sign_ins] {
        refuse.store(true, SeqCst);
        for _ in 0..2 {
            let answer = app.send(bearer(&token)).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert!(answer.set_cookies().is_empty());
        }
        refuse.store(false, SeqCst);
    }
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "at once, and the token is new");
}

/// Who is refused by the hook for tokens passes with none, whatever the other says.
#[tokio::test]
async fn the_hook_for_tokens_decides_about_tokens_that_make_no_session() {
    let hooks = Hooks::default();
    hooks.refuse_tokens.store(true, SeqCst);
    let token = |app: &App| app.token(&Wallet::from_seed("alice"));
    let app = hooks.app();
    let answer = app.send_without_sign_in(bearer(&token(&app))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    hooks.refuse_tokens.store(false, SeqCst);
    let answer = app.send_without_sign_in(bearer(&token(&app))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(hooks.sign_ins.load(SeqCst), 0, "no session begins");

    let stateless = App::new().with(|auth| hooks.on_sign_in(auth.with_store(NoSessions)));
    assert_eq!(stateless.send(bearer(&token(&stateless))).await.status, StatusCode::OK);
    assert_eq!(hooks.sign_ins.load(SeqCst), 0, "nor where none are kept");
}

async fn data_of(app: &App, request: http::Request<Body>) -> Option<u8> {
    let service = service_fn(|request: http::Request<Body>| async move {
        let session = request.extensions().get::<Session>().expect("a session");
        let mut response = http::Response::new(Body::default());
        response.extensions_mut().insert(session.data::<u8>().expect("a number"));
        Ok::<_, std::convert::Infallible>(response)
    });
    let Ok(response) = app.auth.layer().layer(service).oneshot(request).await;
    *response.extensions().get().expect("passed")
}

#[tokio::test]
async fn the_session_has_the_data_of_the_sign_in_and_a_token_that_of_the_token() {
    let (hooks, alice) = (Hooks::default(), Wallet::from_seed("alice"));
    for (app, session, replay) in [
        (hooks.app(), Some(1), Some(2)),
        (App::new().with(|auth| hooks.on_sign_in(auth)), Some(1), None),
        (App::new().with(|auth| hooks.on_token(auth)), Some(2), Some(2)),
    ] {
        let token = app.token(&alice);
        let ticket = app.send(bearer(&token)).await.ticket().expect("signed in");
        assert_eq!(data_of(&app, with_cookie(&ticket)).await, session);
        assert_eq!(data_of(&app, bearer(&token)).await, replay, "used before");
    }
}
