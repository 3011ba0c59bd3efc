//! Sign-ins that look people up: who is admitted, what handlers get, how few calls that takes.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, COOKIE, RETRY_AFTER, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tower::ServiceExt;
use tower_didt::layer::RejectedIssuer;
use tower_didt::magic::Magic;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::PageRequest;
use tower_didt::testing::{self, Fault, FixedClock, TestUser, Wallet};
use tower_didt::{
    Clock, DidAuth, Lifetimes, Login, MagicSignIn, MagicUser, NoSessions, Refusal, Rejection,
    SealedStore, SealingKeys, Session, Verifier,
};

use super::support::{APP, NOW, ada, api, issuer, stub};

const MINUTE: Duration = Duration::from_secs(60);

/// Sign-ins at the stub, with time in the test's hands.
struct Site {
    auth: DidAuth,
    app: Router,
    clock: FixedClock,
}

fn site(stub: &testing::Magic) -> Site {
    site_with(stub, MagicSignIn::new, |auth| auth)
}

fn site_with(
    stub: &testing::Magic,
    policy: impl FnOnce(Magic) -> MagicSignIn,
    settings: impl FnOnce(DidAuth) -> DidAuth,
) -> Site {
    let clock = FixedClock::at(NOW);
    let auth = DidAuth::new(Verifier::new(APP))
        .with_clock(clock.clone())
        .with_magic(policy(Magic::over(api(stub))));
    let auth = settings(auth);
    Site { app: app(&auth), auth, clock }
}

fn app(auth: &DidAuth) -> Router {
    let shown = |user: &MagicUser| match user.email() {
        Some(email) => email.to_string(),
        None => "no e-mail".to_owned(),
    };
    Router::new()
        .route("/email", get(move |user: MagicUser| async move { shown(&user) }))
        .route(
            "/maybe",
            get(move |user: Option<MagicUser>| async move {
                user.map_or("nobody".to_owned(), |user| shown(&user))
            }),
        )
        .route("/issuer", get(|session: Session| async move { session.issuer().to_string() }))
        .layer(auth.layer())
}

impl Site {
    fn token(&self, name: &str) -> String {
        Wallet::from_seed(name).token(APP).issued_at(self.clock.now()).mint()
    }

    async fn with_token(&self, path: &str, token: &str) -> Response<Body> {
        let request = Request::get(path).header(AUTHORIZATION, format!("Bearer {token}"));
        self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn with_cookie(&self, path: &str, cookie: &str) -> Response<Body> {
        let request = Request::get(path).header(COOKIE, cookie).body(Body::empty()).unwrap();
        self.app.clone().oneshot(request).await.unwrap()
    }

    /// Signs somebody in and returns the cookie.
    async fn sign_in(&self, name: &str) -> String {
        let response = self.with_token("/issuer", &self.token(name)).await;
        assert_eq!(response.status(), StatusCode::OK);
        cookie_of(&response).expect("a cookie")
    }
}

fn cookie_of(response: &Response<Body>) -> Option<String> {
    let cookie = response.headers().get(SET_COOKIE)?.to_str().expect("ASCII");
    Some(cookie.split(';').next().expect("a pair").to_owned())
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.into()).expect("text")
}

async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_knows_the_person_and_the_session_remembers() {
    let stub = stub();
    let keys = SealingKeys::generate().expect("randomness");
    let sealed = SealedStore::new(keys, MemoryLedger::new());
    for sealed in [None, Some(sealed)] {
        let before = stub.calls();
        let site = site_with(&stub, MagicSignIn::new, |auth| match sealed {
            Some(store) => auth.with_store(store),
            None => auth,
        });
        let token = site.token("ada");
        let response = site.with_token("/email", &token).await;
        let cookie = cookie_of(&response).expect("a cookie");
        assert_eq!(text(response).await, "Ada@example.com");
        for _ in 0..10 {
            let response = site.with_cookie("/email", &cookie).await;
            assert_eq!(text(response).await, "Ada@example.com");
        }
        // The token again, now without a session of its own.
        assert_eq!(text(site.with_token("/email", &token).await).await, "Ada@example.com");
        assert_eq!(stub.calls() - before, 1);

        // Another process that shares the sessions and has an empty cache knows the person too.
        let other = site.auth.clone().with_magic(Magic::over(api(&stub)));
        let other = Site { app: app(&other), auth: other, clock: site.clock.clone() };
        stub.fail_always(Some(Fault::Hang));
        assert_eq!(text(other.with_cookie("/email", &cookie).await).await, "Ada@example.com");
        stub.fail_always(None);
        assert_eq!(stub.calls() - before, 1);
    }
}

#[tokio::test]
async fn a_made_up_key_is_refused_with_403_and_leaves_no_session() {
    let stub = stub();
    let site = site(&stub);
    let token = site.token("mallory");
    for path in ["/email", "/maybe", "/issuer"] {
        let response = site.with_token(path, &token).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(cookie_of(&response).is_none());
        let rejection = response.extensions().get::<Rejection>().map(Rejection::name);
        assert_eq!(rejection, Some("unknown_user"));
        // For the log, not for her.
        let who = response.extensions().get::<RejectedIssuer>().copied();
        assert_eq!(who, Some(RejectedIssuer(issuer("mallory"))));
        assert_eq!(text(response).await.trim(), r#"{"error":"unknown_user"}"#);
    }
    assert!(
        site.auth
            .sessions_of(issuer("mallory"), PageRequest::first())
            .await
            .expect("a list")
            .sessions
            .is_empty()
    );
    // The token was not used up: once she is a user, it signs in.
    stub.add_user(TestUser::new(issuer("mallory")));
    site.clock.advance(Duration::from_secs(11));
    let response = site.with_token("/email", &token).await;
    assert!(cookie_of(&response).is_some());
    assert_eq!(text(response).await, "no e-mail");
}

#[tokio::test]
async fn unknown_users_pass_where_the_application_says_so_by_name() {
    let stub = stub();
    let site =
        site_with(&stub, |magic| MagicSignIn::new(magic).admitting_unknown_users(), |auth| auth);
    let cookie = site.sign_in("mallory").await;
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "nobody");
    let response = site.with_cookie("/email", &cookie).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(site.with_token("/email", &site.token("ada")).await).await, "Ada@example.com");
}

#[tokio::test(start_paused = true)]
async fn while_magic_cannot_be_asked_sign_ins_are_503_and_sessions_go_on() {
    for (fault, wait) in [
        (Fault::Hang, "5"),
        (Fault::Reset, "5"),
        (Fault::Status(StatusCode::INTERNAL_SERVER_ERROR), "5"),
        (Fault::Status(StatusCode::UNAUTHORIZED), "5"),
        (Fault::Html(StatusCode::NOT_FOUND), "5"),
        (Fault::Html(StatusCode::OK), "5"),
        (Fault::Huge, "5"),
        (Fault::RateLimited(Some(42)), "42"),
    ] {
        let stub = stub();
        stub.add_user(TestUser::new(issuer("grace")).email("grace@example.com"));
        let site = site(&stub);
        let cookie = site.sign_in("ada").await;
        stub.fail_always(Some(fault.clone()));

        let token = site.token("grace");
        let response = site.with_token("/email", &token).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        assert_eq!(response.headers()[RETRY_AFTER], wait, "{fault:?}");
        assert!(cookie_of(&response).is_none());
        for _ in 0..3 {
            site.clock.advance(70 * MINUTE);
            let response = site.with_cookie("/email", &cookie).await;
            assert_eq!(text(response).await, "Ada@example.com", "{fault:?}");
        }
        // The refused token was not used up.
        stub.fail_always(None);
        site.clock.set(NOW);
        let response = site.with_token("/email", &token).await;
        assert!(cookie_of(&response).is_some(), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_admitted_without_a_profile_gets_it_later() {
    let stub = stub();
    let policy = |magic| MagicSignIn::new(magic).admitting_while_unavailable();
    let site = site_with(&stub, policy, |auth| auth);
    stub.fail_always(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    let cookie = site.sign_in("ada").await;
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "nobody");
    let response = site.with_cookie("/email", &cookie).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    settle().await;

    stub.fail_always(None);
    site.clock.advance(Duration::from_secs(11));
    site.with_cookie("/maybe", &cookie).await;
    settle().await;
    assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "Ada@example.com");
    // Whom Magic is known not to know is refused all the same.
    let response = site.with_token("/issuer", &site.token("mallory")).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_sign_ins_at_once_make_one_call() {
    let stub = stub();
    stub.fail_next(Fault::Delay(Duration::from_millis(200)));
    let site = site(&stub);
    let mut signing_in = JoinSet::new();
    for _ in 0..1000 {
        // A token each, so that each makes a session.
        let token = site.token("ada");
        let request = Request::get("/email")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        let app = site.app.clone();
        signing_in.spawn(async move { app.oneshot(request).await.unwrap() });
    }
    while let Some(response) = signing_in.join_next().await {
        let response = response.expect("no panic");
        assert!(cookie_of(&response).is_some());
        assert_eq!(text(response).await, "Ada@example.com");
    }
    assert_eq!(stub.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_bearer_requests_of_a_hundred_issuers_make_a_hundred_calls() {
    let stub = stub();
    let site = site_with(&stub, MagicSignIn::new, |auth| auth.with_store(NoSessions));
    let mut tokens = Vec::new();
    for number in 0..100 {
        let name = format!("user {number}");
        stub.add_user(TestUser::new(issuer(&name)).email(&format!("user{number}@example.com")));
        tokens.push(site.token(&name));
    }
    let mut asking = JoinSet::new();
    for question in 0..10_000_usize {
        let number = question % 100;
        let request = Request::get("/email")
            .header(AUTHORIZATION, format!("Bearer {}", tokens[number]))
            .body(Body::empty())
            .unwrap();
        let app = site.app.clone();
        asking.spawn(async move { (number, app.oneshot(request).await.unwrap()) });
    }
    while let Some(answer) = asking.join_next().await {
        let (number, response) = answer.expect("no panic");
        assert_eq!(text(response).await, format!("user{number}@example.com"));
    }
    assert_eq!(stub.calls(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_profile_in_use_is_renewed_when_it_is_an_hour_old_and_no_request_waits() {
    let stub = stub();
    let site = site(&stub);
    let cookie = site.sign_in("ada").await;
    stub.add_user(TestUser::new(ada()).email("countess@example.com"));
    site.clock.advance(59 * MINUTE);
    assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "Ada@example.com");
    settle().await;
    assert_eq!(stub.calls(), 1, "it is young enough");

    site.clock.advance(MINUTE);
    stub.fail_next(Fault::Delay(Duration::from_secs(2)));
    let started = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "Ada@example.com");
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "a request waited for Magic");
    settle().await;
    assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "countess@example.com");
    assert_eq!(stub.calls(), 2);
}

/// Of what a session has kept of somebody whom Magic no longer knows nothing comes back, not even for
/// the moment until Magic has been asked again.
#[tokio::test(start_paused = true)]
async fn the_profile_of_a_deleted_user_goes_with_magics_word_and_stays_gone() {
    let stub = stub();
    let site = site(&stub);
    let cookie = site.sign_in("ada").await;
    stub.remove_user(ada());
    site.clock.advance(60 * MINUTE);
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "Ada@example.com");
    settle().await;
    for _ in 0..20 {
        assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "nobody");
        site.clock.advance(Duration::from_secs(7));
    }
    assert_eq!(text(site.with_cookie("/issuer", &cookie).await).await, ada().to_string());

    stub.add_user(TestUser::new(ada()).email("countess@example.com"));
    site.clock.advance(Duration::from_secs(11));
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "nobody");
    settle().await;
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "countess@example.com");
}

#[tokio::test(start_paused = true)]
async fn a_failing_api_is_not_asked_with_every_request_of_an_old_session() {
    let stub = stub();
    let site = site_with(&stub, MagicSignIn::new, |auth| {
        auth.with_lifetimes(Lifetimes::new(Duration::from_secs(30 * 24 * 3600)))
    });
    let cookie = site.sign_in("ada").await;
    site.clock.advance(24 * 60 * MINUTE);
    stub.fail_always(Some(Fault::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    for _ in 0..100 {
        assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "Ada@example.com");
        settle().await;
    }
    assert_eq!(stub.calls(), 2);
}

#[tokio::test]
async fn the_hook_sees_the_person_and_its_own_data_stays_apart() {
    let stub = stub();
    let site = site_with(&stub, MagicSignIn::new, |auth| {
        auth.with_on_sign_in(|login: Login| async move {
            let email = login.magic_user().and_then(MagicUser::email).map(ToString::to_string);
            let email = email.ok_or_else(Refusal::forbidden)?;
            Ok::<_, Refusal>(format!("row of {email}"))
        })
    });
    let app = Router::new()
        .route(
            "/both",
            get(|session: Session, user: MagicUser| async move {
                let row: Option<String> = session.data().expect("text");
                format!("{} {}", row.unwrap_or_default(), user.email().expect("an address"))
            }),
        )
        .layer(site.auth.layer());
    let site = Site { app, ..site };
    let response = site.with_token("/both", &site.token("ada")).await;
    let cookie = cookie_of(&response).expect("a cookie");
    assert_eq!(text(response).await, "row of Ada@example.com Ada@example.com");
    let response = site.with_cookie("/both", &cookie).await;
    assert_eq!(text(response).await, "row of Ada@example.com Ada@example.com");
}

#[tokio::test]
async fn sessions_from_before_magic_was_configured_stay_readable() {
    let stub = stub();
    let clock = FixedClock::at(NOW);
    let before = DidAuth::new(Verifier::new(APP))
        .with_clock(clock.clone())
        .with_on_sign_in(|_| async { Ok::<_, Refusal>(42) });
    let site = Site { app: app(&before), auth: before.clone(), clock: clock.clone() };
    let cookie = site.sign_in("ada").await;
    // Without `with_magic` the extractor is a mistake in the program.
    let response = site.with_cookie("/maybe", &cookie).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);

    let after = before.with_magic(Magic::over(api(&stub)));
    let site = Site { app: app(&after), auth: after, clock };
    assert_eq!(text(site.with_cookie("/maybe", &cookie).await).await, "nobody");
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(text(site.with_cookie("/email", &cookie).await).await, "Ada@example.com");
}

#[tokio::test]
async fn nobody_else_can_say_who_is_signed_in() {
    let stub = stub();
    let site = site(&stub);
    let user = Magic::over(api(&stub)).user(ada()).await.expect("Ada");
    let optional = Router::new()
        .route(
            "/",
            get(|request: Request<Body>| async move {
                request.extensions().get::<MagicUser>().is_some().to_string()
            }),
        )
        .layer(site.auth.layer().optional());
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(user);
    let response = optional.oneshot(request).await.unwrap();
    assert_eq!(text(response).await, "false");
}

/// Two layers that know people by different tokens, the one within the other.
#[tokio::test]
async fn nobody_is_taken_for_the_person_whom_a_layer_further_out_has_seen() {
    let stub = stub();
    let outside = site(&stub);
    let ada = outside.sign_in("ada").await;
    let inside = DidAuth::new(Verifier::new(APP))
        .with_clock(outside.clock.clone())
        .with_cookie(tower_didt::SessionCookie::named("inside").expect("a name"));
    let cookie = testing::sign_in(&inside, &Wallet::from_seed("mallory")).await;
    let inside_and_out = |inner| {
        let whole = move |session: Option<Session>, user: Option<axum::Extension<MagicUser>>| async move {
            let session = session.map(|session| session.issuer().to_string());
            let user = user.map(|user| user.issuer().to_string());
            format!("{session:?} {user:?}")
        };
        Router::new().route("/", get(whole)).layer(inner).layer(outside.auth.layer())
    };
    for (inner, who) in [
        (inside.layer(), Some(issuer("mallory").to_string())),
        (inside.layer().optional(), Some(issuer("mallory").to_string())),
        (inside.layer().optional(), None),
    ] {
        let mut cookies = ada.clone();
        if who.is_some() {
            cookies = format!("{cookies}; {}", cookie.to_str().expect("ASCII"));
        }
        let request = Request::get("/").header(COOKIE, cookies).body(Body::empty());
        let Ok(response) = inside_and_out(inner).oneshot(request.expect("a request")).await;
        assert_eq!(text(response).await, format!("{who:?} None"));
    }
}
