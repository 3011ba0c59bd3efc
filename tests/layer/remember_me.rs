//! "Remember me": what is chosen at sign-in, and what follows from it.

use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{Request, StatusCode};
use tower::ServiceExt;
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::{TestSession, Wallet};
use tower_didt::{
    AnyStore, DidAuth, Lifetimes, Login, Refusal, Remember, RememberMe, SealedStore, SealingKeys,
    Session,
};

use crate::support::{App, with_cookie};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Half a day, an hour unused; or thirty days for those who choose.
fn by_people(auth: DidAuth) -> DidAuth {
    brief(auth)
        .with_remember_me(RememberMe::new(Lifetimes::new(seconds(30 * DAY))).chosen_by_people())
}

fn brief(auth: DidAuth) -> DidAuth {
    auth.with_lifetimes(Lifetimes::new(seconds(12 * HOUR)).with_idle_timeout(seconds(HOUR)))
}

fn sealed(auth: DidAuth) -> DidAuth {
    let keys = SealingKeys::generate().expect("randomness");
    auth.with_store(SealedStore::new(keys, MemoryLedger::new()))
}

/// Signs in: the cookie's value, and its attributes.
struct SignedIn {
    ticket: String,
    max_age: Option<String>,
}

impl SignedIn {
    fn of(set_cookie: &str) -> Self {
        let part = |name: &str| {
            set_cookie.split("; ").find_map(|part| part.strip_prefix(name)).map(str::to_owned)
        };
        Self { ticket: part("__Host-didt=").expect("a session"), max_age: part("Max-Age=") }
    }
}

fn routes(auth: &DidAuth) -> Router {
    Router::new()
        .route("/", get(async |session: Session| session.is_remembered().to_string()))
        .route("/change", post(async |session: Session| session.update_data(&"changed").await))
        .layer(auth.layer())
}

async fn sign_in(app: &App, header: Option<&str>, extension: Option<Remember>) -> SignedIn {
    let token = app.token(&Wallet::from_seed("alice"));
    let mut request = Request::get("/").header(AUTHORIZATION, format!("Bearer {token}"));
    if let Some(value) = header {
        request = request.header("Didt-Remember", value);
    }
    if let Some(remember) = extension {
        request = request.extension(remember);
    }
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let Ok(response) = routes(&app.auth).oneshot(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    SignedIn::of(response.headers()[SET_COOKIE].to_str().expect("ASCII"))
}

async fn status(app: &App, ticket: &str) -> StatusCode {
    app.send(with_cookie(ticket)).await.status
}

#[tokio::test]
async fn people_choose_where_they_are_asked_and_in_every_kind_of_store() {
    let memory = AnyStore::from_url("memory:").expect("a store");
    let stores: [(&str, &dyn Fn(DidAuth) -> DidAuth); 3] = [
        ("memory", &|auth| auth),
        ("any", &|auth| auth.with_store(memory.clone())),
        ("sealed", &sealed),
    ];
    for (name, store) in stores {
        let app = App::new().with(by_people).with(store);
        let brief = sign_in(&app, None, None).await;
        assert_eq!(brief.max_age, None, "{name}");
        let long = sign_in(&app, Some("yes"), None).await;
        assert_eq!(long.max_age, Some((30 * DAY).to_string()), "{name}");

        app.advance(HOUR);
        assert_eq!(status(&app, &brief.ticket).await, StatusCode::UNAUTHORIZED, "{name}: idle");
        assert_eq!(status(&app, &long.ticket).await, StatusCode::OK, "{name}");
        app.advance(30 * DAY - HOUR - 1);
        assert_eq!(status(&app, &long.ticket).await, StatusCode::OK, "{name}");
        app.advance(1);
        assert_eq!(status(&app, &long.ticket).await, StatusCode::UNAUTHORIZED, "{name}");
    }
}

#[tokio::test]
async fn nobody_is_asked_unless_it_is_switched_on() {
    let week = Some((7 * DAY).to_string());
    let without = App::new();
    assert_eq!(sign_in(&without, Some("yes"), None).await.max_age, week);
    assert_eq!(sign_in(&without, None, Some(Remember(true))).await.max_age, week);
    let application = |auth: DidAuth| {
        brief(auth).with_remember_me(RememberMe::new(Lifetimes::new(seconds(30 * DAY))))
    };
    let application = App::new().with(application);
    assert_eq!(sign_in(&application, Some("yes"), None).await.max_age, None);
}

#[tokio::test]
async fn the_application_chooses_by_an_extension_or_in_its_hook() {
    let month = Some((30 * DAY).to_string());
    let app = App::new().with(by_people);
    assert_eq!(sign_in(&app, None, Some(Remember(true))).await.max_age, month);
    assert_eq!(sign_in(&app, Some("yes"), Some(Remember(false))).await.max_age, None);

    for (chosen, asked, expected) in [
        (None, None, None),
        (None, Some("yes"), month.clone()),
        (Some(true), None, month.clone()),
        (Some(false), Some("yes"), None),
    ] {
        let hook = move |login: Login| async move {
            assert_eq!(login.asks_to_be_remembered(), asked.is_some());
            if let Some(remember) = chosen {
                login.remember(remember);
            }
            Ok::<_, Refusal>("attached")
        };
        let app = App::new().with(|auth| by_people(auth).with_on_sign_in(hook));
        let signed_in = sign_in(&app, asked, None).await;
        assert_eq!(signed_in.max_age, expected, "{chosen:?} {asked:?}");
        // Also where the hook counts before the extension.
        let extension = chosen.map(|remember| Remember(!remember));
        if let Some(remember) = chosen {
            let app = App::new().with(|auth| {
                by_people(auth).with_on_sign_in(move |login: Login| async move {
                    login.remember(remember);
                    Ok::<_, Refusal>(())
                })
            });
            assert_eq!(sign_in(&app, None, extension).await.max_age.is_some(), remember);
        }
    }
}

/// A new cookie, as sealed sessions get one, is of the same kind as the first.
#[tokio::test]
async fn a_session_keeps_its_kind_when_it_is_used_and_when_its_data_changes() {
    for choice in [None, Some("yes")] {
        let app = App::new().with(by_people).with(sealed);
        let SignedIn { ticket, max_age } = sign_in(&app, choice, None).await;
        assert_eq!(max_age.is_some(), choice.is_some());
        app.advance(400);
        let answer = app.send(with_cookie(&ticket)).await;
        let renewed = answer.set_cookies().pop().expect("a new cookie: it is in use");
        assert_eq!(renewed.contains("Max-Age="), choice.is_some(), "{renewed}");

        let change = Request::post("/change").header("cookie", format!("__Host-didt={ticket}"));
        let change = change.body(axum::body::Body::empty()).expect("a request");
        let Ok(changed) = routes(&app.auth).oneshot(change).await;
        let cookie = changed.headers()[SET_COOKIE].to_str().expect("ASCII").to_owned();
        assert_eq!(cookie.contains("Max-Age="), choice.is_some(), "{cookie}");
        let look = Request::get("/").header("cookie", cookie.split(';').next().expect("a pair"));
        let look = look.body(axum::body::Body::empty()).expect("a request");
        let Ok(seen) = routes(&app.auth).oneshot(look).await;
        let seen = axum::body::to_bytes(seen.into_body(), 99).await.expect("a body");
        assert_eq!(seen, choice.is_some().to_string());
    }
}

/// As the documentation of `with_remember_me` says.
#[tokio::test]
async fn settings_that_change_apply_to_each_kind_by_its_own_lifetime() {
    let app = App::new().with(by_people);
    let (brief, long) = (sign_in(&app, None, None).await, sign_in(&app, Some("yes"), None).await);
    let remember = |days| RememberMe::new(Lifetimes::new(seconds(days * DAY)));
    let clock = app.clock.clone();
    app.advance(HOUR / 2);
    let shorter = App { clock: clock.clone(), auth: app.auth.clone() }
        .with(|auth| auth.with_lifetimes(Lifetimes::new(seconds(60))));
    assert_eq!(status(&shorter, &brief.ticket).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&shorter, &long.ticket).await, StatusCode::OK, "it lives on");
    let listed = shorter.list(Wallet::from_seed("alice").issuer()).await;
    assert!(listed.iter().all(|record| record.is_remembered()) && listed.len() == 1);

    app.advance(2 * DAY);
    let less = App { clock: clock.clone(), auth: app.auth.clone() }
        .with(|auth| auth.with_remember_me(remember(2)));
    assert_eq!(status(&less, &long.ticket).await, StatusCode::UNAUTHORIZED);
    // What one server takes for ended is not taken away from the others.
    assert_eq!(status(&app, &long.ticket).await, StatusCode::OK);
}

/// A session that is remembered has no privilege where nothing is remembered any more.
#[tokio::test]
async fn where_it_is_switched_off_remembered_sessions_end_as_all_others() {
    let app = App::new().with(by_people).with(sealed);
    let long = sign_in(&app, Some("yes"), None).await;
    let off = App { clock: app.clock.clone(), auth: app.auth.clone() };
    app.advance(2 * DAY);
    assert_eq!(status(&app, &long.ticket).await, StatusCode::OK);
    let keys_of = off.auth.clone();
    let off = off.with(|_| brief(keys_of.without_remember_me()));
    assert_eq!(status(&off, &long.ticket).await, StatusCode::UNAUTHORIZED);
}

#[test]
fn a_session_made_for_a_test_says_what_it_is() {
    let alice = Wallet::from_seed("alice").issuer();
    assert!(!TestSession::new(alice).make().is_remembered());
    assert!(TestSession::new(alice).remembered().make().is_remembered());
}
