//! A browser that sends several cookies of one name: a host and its parent domain each set one, or
//! an older configuration left one behind.

use http::header::{AUTHORIZATION, COOKIE};
use http::{Request, StatusCode};
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::Wallet;
use tower_didt::{
    BoundLogin, DidAuth, NoSessions, Rejection, SealedStore, SealingKeys, SessionCookie,
};

use crate::support::{App, Body, FaultyStore, empty, request};

const NAME: &str = "__Secure-didt";

/// Staging, at a host whose parent domain has an application of its own.
fn staging(change: impl Fn(DidAuth) -> DidAuth) -> App {
    let cookie = SessionCookie::for_sub_domains("didt", "staging.example.com").expect("a domain");
    App::new().with(|auth| change(auth.with_cookie(cookie)))
}

fn with_values(token: Option<&str>, values: &[&str]) -> Request<Body> {
    let mut builder = request();
    if let Some(token) = token {
        builder = builder.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    for value in values {
        builder = builder.header(COOKIE, format!("{NAME}={value}"));
    }
    empty(builder)
}

/// Stores that answer at once, later, and from the cookie itself.
fn apps() -> Vec<(&'static str, App)> {
    let sealed = |auth: DidAuth| {
        let keys = SealingKeys::generate().expect("randomness");
        auth.with_store(SealedStore::new(keys, MemoryLedger::new()))
    };
    vec![
        ("memory", staging(|auth| auth)),
        ("later", staging(|auth| auth.with_store(FaultyStore::default()))),
        ("sealed", staging(sealed)),
    ]
}

/// The value of the session cookie that an answer sets.
fn set_value(cookies: &[String]) -> Option<String> {
    let set = cookies.iter().find(|cookie| !cookie.contains("Max-Age=0"))?;
    set.strip_prefix(NAME)?.strip_prefix('=')?.split(';').next().map(str::to_owned)
}

async fn sign_in(app: &App, wallet: &Wallet, beside: &[&str]) -> String {
    let answer = app.send(with_values(Some(&app.token(wallet)), beside)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    set_value(&answer.set_cookies()).expect("signing in sets the cookie")
}

#[tokio::test]
async fn the_one_that_opens_a_living_session_counts_wherever_it_stands() {
    for (name, app) in apps() {
        let (alice, production) = (Wallet::from_seed("alice"), "a-session-of-production");
        let ticket = sign_in(&app, &alice, &[production]).await;
        for values in [
            &[production, &*ticket][..],
            &[&*ticket, production],
            &["", "\u{e9}", &*ticket],
            &["1", "2", "3", &*ticket],
        ] {
            let answer = app.send(with_values(None, values)).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}: {values:?}");
            assert_eq!(answer.body, alice.issuer().to_string(), "{name}");
            assert!(answer.set_cookies().is_empty(), "{name}: {:?}", answer.set_cookies());
        }
    }
}

#[tokio::test]
async fn where_none_counts_all_that_this_host_can_take_away_are_taken_away() {
    for (name, app) in apps() {
        let alice = Wallet::from_seed("alice");
        let (one, two) = (sign_in(&app, &alice, &[]).await, sign_in(&app, &alice, &[]).await);
        for (case, values) in [
            ("none is alive", &["1", "2"][..]),
            ("two are alive", &[&*one, &*two]),
            ("too many", &["1", "2", "3", "4", &*one]),
        ] {
            let answer = app.send(with_values(None, values)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {case}");
            let expected = [
                format!(
                    "{NAME}=; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=staging.example.com; Max-Age=0"
                ),
                format!("{NAME}=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"),
            ];
            assert_eq!(answer.set_cookies(), expected, "{name}: {case}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let answer = app.send_optional(with_values(None, values)).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (StatusCode::OK, "nobody"),
                "{name}: {case}"
            );
        }
    }
}

/// Whoever is told that signing in succeeded is signed in at the next request, with whatever their
/// browser still has.
#[tokio::test]
async fn after_a_sign_in_the_browser_is_let_in() {
    for (name, app) in apps() {
        let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
        let bobs = sign_in(&app, &bob, &[]).await;
        let mut living = vec![sign_in(&app, &alice, &[]).await];
        app.advance(1);
        living.push(sign_in(&app, &alice, &[]).await);
        app.advance(1);
        for beside in [
            &["x"][..],
            &["x", "y", "z"],
            &[&*bobs, "x"],
            &[&*living[0], &*living[1]],
            &[&*living[0], &*bobs, &*living[1]],
        ] {
            app.advance(1);
            let ticket = sign_in(&app, &alice, beside).await;
            // None of the others could be taken away: a parent domain's, for instance.
            let values: Vec<&str> = beside.iter().copied().chain([&*ticket]).collect();
            let answer = app.send(with_values(None, &values)).await;
            assert_eq!(answer.status, StatusCode::OK, "{name}: beside {beside:?}");
            assert_eq!(answer.body, alice.issuer().to_string(), "{name}");
        }
        let full = app.send(with_values(Some(&app.token(&alice)), &["1", "2", "3", "4"])).await;
        assert_eq!(full.status, StatusCode::BAD_REQUEST, "{name}: it could not be let in");
        assert_eq!(set_value(&full.set_cookies()), None, "{name}");
        assert_eq!(full.set_cookies().len(), 2, "{name}: they are taken away");
    }
}

#[tokio::test]
async fn a_living_session_of_the_tokens_issuer_stays_among_several() {
    for (name, app) in apps() {
        let alice = Wallet::from_seed("alice");
        let ticket = sign_in(&app, &alice, &[]).await;
        app.advance(1);
        let answer = app.send(with_values(Some(&app.token(&alice)), &["x", &ticket])).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert!(answer.set_cookies().is_empty(), "{name}");
    }
}

#[tokio::test]
async fn look_ups_are_bounded_and_a_store_that_is_down_takes_no_cookie_away() {
    let store = FaultyStore::default();
    let app = staging(|auth| auth.with_store(store.clone()));
    let many: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(app.send(with_values(None, &many)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(store.calls(), 0, "too many to tell");
    assert_eq!(app.send(with_values(None, &many[..4])).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(store.calls(), 4);
    store.set_down(true);
    let answer = app.send(with_values(None, &["1", "2"])).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn a_foreign_page_gets_no_further_with_two_cookies_than_with_one() {
    let app = staging(|auth| auth);
    let ticket = sign_in(&app, &Wallet::from_seed("alice"), &[]).await;
    let mut request = with_values(None, &["x", &ticket]);
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("sec-fetch-site", http::HeaderValue::from_static("same-site"));
    assert_eq!(app.send(request).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn where_no_sessions_are_kept_the_cookies_are_somebody_elses_and_stay() {
    let app = staging(|auth| auth.with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    let answer = app.send(with_values(Some(&token), &["1", "2", "3", "4"])).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn of_several_challenges_the_good_one_counts_if_exactly_one_is() {
    let app = staging(|auth| {
        auth.with_bound_login(BoundLogin::required())
            .with_cookie(SessionCookie::default().insecure_over_http())
    });
    let alice = Wallet::from_seed("alice");
    let challenge = || {
        let challenge = app.auth.challenge().expect("randomness");
        let pair = challenge.set_cookie().to_str().expect("ASCII").split(';').next();
        (challenge.value().to_owned(), pair.expect("a pair").to_owned())
    };
    let ((value, pair), (_, other)) = (challenge(), challenge());
    let token = |value: &str| {
        alice
            .token(crate::support::AUDIENCE)
            .issued_at(crate::support::START)
            .attachment(value)
            .mint()
    };
    let send = async |pairs: &str| {
        let builder = request().header(AUTHORIZATION, format!("Bearer {}", token(&value)));
        app.send(empty(builder.header(COOKIE, pairs))).await
    };
    let answer = send(&format!("{pair}; {other}")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "two that are good");
    assert!(matches!(answer.extensions.get(), Some(Rejection::UnboundLogin(_))));
    let answer = send(&format!("didt-challenge=planted; {pair}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}
