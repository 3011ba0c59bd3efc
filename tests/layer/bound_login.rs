//! A token signs in only in the browser that it was made for.

use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use http::{Request, StatusCode};
use tower_didt::layer::BindingFault;
use tower_didt::testing::Wallet;
use tower_didt::{BoundLogin, Challenge, NoSessions, Rejection, Replay, SessionCookie};

use crate::support::{AUDIENCE, Answer, App, Body, FaultyStore, bearer, empty, request};

const CLEARED: &str = "__Host-didt-challenge=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0";

fn required() -> App {
    App::new().with(|auth| auth.with_bound_login(BoundLogin::required()))
}

fn optional() -> App {
    App::new().with(|auth| auth.with_bound_login(BoundLogin::optional()))
}

fn bound_token(app: &App, wallet: &Wallet, attachment: &str) -> String {
    use tower_didt::Clock;
    wallet.token(AUDIENCE).issued_at(app.clock.now()).attachment(attachment).mint()
}

/// `name=value` of the challenge's cookie, as the browser sends it back.
fn cookie_of(challenge: &Challenge) -> String {
    let header = challenge.set_cookie().to_str().expect("ASCII");
    header.split(';').next().expect("a pair").to_owned()
}

fn sign_in_with(token: &str, cookies: &str) -> Request<Body> {
    empty(request().header(AUTHORIZATION, format!("Bearer {token}")).header(COOKIE, cookies))
}

/// The value of the session cookie that is set.
fn session_of(answer: &Answer) -> Option<String> {
    let cookies = answer.set_cookies();
    let value = cookies.iter().find_map(|cookie| cookie.strip_prefix("__Host-didt="))?;
    value.split(';').next().map(str::to_owned)
}

fn assert_unbound(answer: &Answer, expected: BindingFault, name: &str) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert_eq!(challenge, r#"Bearer realm="magic", error="invalid_token""#, "{name}");
    assert!(answer.set_cookies().is_empty(), "{name}: {answer:?}");
    let rejection = answer.extensions.get::<Rejection>().expect("a reason");
    assert_eq!(rejection.name(), "unbound_login", "{name}: {rejection}");
    assert_eq!(rejection.to_string(), expected.to_string(), "{name}");
}

#[tokio::test]
async fn a_token_made_for_the_challenge_signs_in_and_takes_its_cookie_away() {
    for app in [required(), optional()] {
        let alice = Wallet::from_seed("alice");
        let challenge = app.auth.challenge().expect("a challenge");
        let token = bound_token(&app, &alice, challenge.value());
        let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
        assert_eq!(
            (answer.status, answer.body.clone()),
            (StatusCode::OK, alice.issuer().to_string())
        );
        assert!(session_of(&answer).is_some(), "{answer:?}");
        assert!(answer.set_cookies().contains(&CLEARED.to_owned()), "{answer:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn a_stolen_token_signs_nobody_in_before_or_after_its_owner() {
    for app in [required(), optional()] {
        let challenge = app.auth.challenge().expect("a challenge");
        let thief = app.auth.challenge().expect("the thief's own");
        let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
        for round in ["before", "after"] {
            assert_unbound(&app.send(bearer(&token)).await, BindingFault::NoChallenge, round);
            let answer = app.send(sign_in_with(&token, &cookie_of(&thief))).await;
            assert_unbound(&answer, BindingFault::OtherAttachment, round);
            let answer = app.send_optional(bearer(&token)).await;
            assert_unbound(&answer, BindingFault::NoChallenge, "an optional layer");
            if round == "before" {
                let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
                assert_eq!(answer.status, StatusCode::OK);
            }
        }
    }
}

#[tokio::test]
async fn a_challenge_signs_in_once_whichever_token_is_made_for_it() {
    let (app, alice) = (required(), Wallet::from_seed("alice"));
    let challenge = app.auth.challenge().expect("a challenge");
    let cookie = cookie_of(&challenge);
    let token = bound_token(&app, &alice, challenge.value());
    let answer = app.send(sign_in_with(&token, &cookie)).await;
    let session = session_of(&answer).expect("a session");
    for (name, token) in [
        ("the same token", token),
        ("another token", bound_token(&app, &alice, challenge.value())),
        ("somebody else's", bound_token(&app, &Wallet::from_seed("bob"), challenge.value())),
    ] {
        let answer = app.send(sign_in_with(&token, &cookie)).await;
        assert_unbound(&answer, BindingFault::ChallengeUsed, name);
        if name != "somebody else's" {
            let both = format!("{cookie}; __Host-didt={session}");
            let answer = app.send(sign_in_with(&token, &both)).await;
            assert_eq!(answer.status, StatusCode::OK, "{name} beside the session");
            assert!(answer.set_cookies().is_empty(), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_tokens_at_once_one_uses_the_challenge() {
    let app = std::sync::Arc::new(required().with(|a| a.with_store(FaultyStore::default())));
    let challenge = app.auth.challenge().expect("a challenge");
    let sends: Vec<_> = (0..50)
        .map(|_| {
            let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
            let (app, cookie) = (std::sync::Arc::clone(&app), cookie_of(&challenge));
            tokio::spawn(async move { app.send(sign_in_with(&token, &cookie)).await })
        })
        .collect();
    let mut sessions = 0;
    for send in sends {
        let answer = send.await.expect("no panic");
        match session_of(&answer) {
            Some(_) => sessions += 1,
            None => assert_unbound(&answer, BindingFault::ChallengeUsed, "a loser"),
        }
    }
    assert_eq!(sessions, 1);
}

#[tokio::test]
async fn a_challenge_expires_on_the_server() {
    for (name, bound, lifetime) in [
        ("10 minutes unless told otherwise", BoundLogin::required(), 600),
        ("as configured", BoundLogin::required().with_lifetime(Duration::from_secs(60)), 60),
    ] {
        let app = App::new().with(|auth| auth.with_bound_login(bound));
        let alice = Wallet::from_seed("alice");
        let (first, second) =
            (app.auth.challenge().expect("first"), app.auth.challenge().expect("second"));
        assert_eq!(first.expires_in(), Duration::from_secs(lifetime), "{name}");
        let max_age = format!("Max-Age={lifetime}");
        assert!(first.set_cookie().to_str().expect("ASCII").contains(&max_age), "{name}");
        app.advance(lifetime);
        let token = bound_token(&app, &alice, first.value());
        let answer = app.send(sign_in_with(&token, &cookie_of(&first))).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: its last moment");
        app.advance(1);
        let token = bound_token(&app, &alice, second.value());
        let answer = app.send(sign_in_with(&token, &cookie_of(&second))).await;
        assert_unbound(&answer, BindingFault::ChallengeExpired, name);
        let token = bound_token(&app, &alice, first.value());
        let answer = app.send(sign_in_with(&token, &cookie_of(&first))).await;
        assert_unbound(&answer, BindingFault::ChallengeExpired, "used, then expired");
    }
}

#[tokio::test]
async fn a_challenge_from_the_future_is_good_as_far_as_clocks_may_differ() {
    let alice = Wallet::from_seed("alice");
    for (behind, passes) in [(600, true), (601, false)] {
        let app = required();
        app.advance(behind);
        let challenge = app.auth.challenge().expect("of a machine that is ahead");
        app.clock.set(crate::support::START);
        let token = bound_token(&app, &alice, challenge.value());
        let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
        assert_eq!(answer.status == StatusCode::OK, passes, "{behind} s: {answer:?}");
    }
}

#[tokio::test]
async fn what_the_server_did_not_issue_is_no_challenge() {
    let (app, alice) = (required(), Wallet::from_seed("alice"));
    let challenge = app.auth.challenge().expect("a challenge");
    let cookie = cookie_of(&challenge);
    let token = bound_token(&app, &alice, challenge.value());
    let second = app.auth.challenge().expect("a challenge");
    let other_server = required().auth.challenge().expect("a challenge");
    let other = bound_token(&app, &alice, other_server.value());
    let rows = [
        ("altered", &token, cookie.replacen("challenge=A", "challenge=B", 1)),
        ("cut off", &token, cookie[..cookie.len() - 1].to_owned()),
        ("empty", &token, "__Host-didt-challenge=".to_owned()),
        ("the value itself", &token, format!("__Host-didt-challenge={}", challenge.value())),
        ("two of this server's", &token, format!("{cookie}; {}", cookie_of(&second))),
        ("another server's", &other, cookie_of(&other_server)),
    ];
    for (name, token, cookies) in rows {
        assert_ne!(cookies, cookie, "{name}");
        let answer = app.send(sign_in_with(token, &cookies)).await;
        assert_unbound(&answer, BindingFault::UnknownChallenge, name);
    }
    let answer = app.send(sign_in_with(&token, &cookie)).await;
    assert_eq!(answer.status, StatusCode::OK, "none of that used it up");
}

#[tokio::test]
async fn the_attachment_must_be_the_challenge_signed_by_the_issuer() {
    let (app, alice) = (required(), Wallet::from_seed("alice"));
    let challenge = app.auth.challenge().expect("a challenge");
    let value = challenge.value();
    let minted = |add: Option<String>| {
        use tower_didt::Clock;
        let token = alice.token(AUDIENCE).issued_at(app.clock.now());
        match add {
            Some(add) => token.set("add", add).mint(),
            None => token.without("add").mint(),
        }
    };
    let bob = Wallet::from_seed("bob");
    let rows = [
        ("Magic's default", minted(Some(alice.personal_sign("none")))),
        ("no attachment", minted(None)),
        ("an empty one", minted(Some(alice.personal_sign("")))),
        ("a blank behind it", minted(Some(alice.personal_sign(format!("{value} "))))),
        ("in lower case", minted(Some(alice.personal_sign(value.to_lowercase())))),
        ("somebody else's signature", minted(Some(bob.personal_sign(value)))),
        ("the value in place of a signature", minted(Some(value.to_owned()))),
    ];
    for (name, token) in rows {
        let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
        assert_unbound(&answer, BindingFault::OtherAttachment, name);
    }
}

#[tokio::test]
async fn optional_lets_tokens_without_attachment_in_and_no_other_unbound_ones() {
    use tower_didt::Clock;
    let (app, alice) = (optional(), Wallet::from_seed("alice"));
    let plain = app.token(&alice);
    let answer = app.send(bearer(&plain)).await;
    assert!(answer.ticket().is_some(), "{answer:?}");
    let answer = app.send(bearer(&plain)).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0), "as ever");

    let none = alice.token(AUDIENCE).issued_at(app.clock.now()).without("add").mint();
    assert!(app.send(bearer(&none)).await.ticket().is_some());

    let challenge = app.auth.challenge().expect("a challenge");
    let answer = app.send(sign_in_with(&app.token(&alice), &cookie_of(&challenge))).await;
    assert!(answer.ticket().is_some(), "a challenge that was not asked for, left alone");

    let other = bound_token(&app, &alice, "something else");
    assert_unbound(
        &app.send(bearer(&other)).await,
        BindingFault::NoChallenge,
        "another attachment",
    );
}

#[tokio::test]
async fn the_cache_of_proofs_spares_no_token_its_challenge() {
    let (app, alice) = (required(), Wallet::from_seed("alice"));
    let challenge = app.auth.challenge().expect("a challenge");
    let token = bound_token(&app, &alice, challenge.value());
    for _ in 0..3 {
        assert_unbound(&app.send(bearer(&token)).await, BindingFault::NoChallenge, "in the cache");
    }
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_unbound(
        &app.send(bearer(&token)).await,
        BindingFault::NoChallenge,
        "a session was made",
    );
}

#[tokio::test]
async fn of_two_tabs_the_later_challenge_counts_and_the_other_tab_asks_again() {
    let (app, alice) = (required(), Wallet::from_seed("alice"));
    // One browser: a later cookie takes the place of the earlier one.
    let first = app.auth.challenge().expect("of the first tab");
    let second = app.auth.challenge().expect("of the second tab");
    let jar = cookie_of(&second);
    let answer = app.send(sign_in_with(&bound_token(&app, &alice, first.value()), &jar)).await;
    assert_unbound(&answer, BindingFault::OtherAttachment, "the first tab");
    let answer = app.send(sign_in_with(&bound_token(&app, &alice, second.value()), &jar)).await;
    let session = session_of(&answer).expect("the second tab signs in");
    // The first tab has the session now, as every tab; its token passes beside it.
    let token = bound_token(&app, &alice, first.value());
    let answer = app.send(sign_in_with(&token, &format!("__Host-didt={session}"))).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0));
    // As somebody else it asks for a challenge again.
    let third = app.auth.challenge().expect("of the first tab");
    let bob = Wallet::from_seed("bob");
    let jar = format!("{}; __Host-didt={session}", cookie_of(&third));
    let answer = app.send(sign_in_with(&bound_token(&app, &bob, third.value()), &jar)).await;
    assert_eq!(answer.body, bob.issuer().to_string());
    assert!(session_of(&answer).is_some());
}

#[tokio::test]
async fn another_issuers_token_beside_a_session_must_be_bound() {
    let app = required();
    let challenge = app.auth.challenge().expect("a challenge");
    let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    let session = format!("__Host-didt={}", session_of(&answer).expect("a session"));
    let bobs = app.token(&Wallet::from_seed("bob"));
    let answer = app.send(sign_in_with(&bobs, &session)).await;
    assert_unbound(&answer, BindingFault::NoChallenge, "bob's");
    let answer = app.send(sign_in_with(&app.token(&Wallet::from_seed("alice")), &session)).await;
    assert_eq!(answer.status, StatusCode::OK, "alice's own, beside her session");
}

#[tokio::test]
async fn every_replay_mode_takes_bound_tokens_once() {
    for replay in [Replay::SingleUse, Replay::NewestOnly] {
        let app = required().with(|auth| auth.with_replay(replay));
        let challenge = app.auth.challenge().expect("a challenge");
        let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
        let send = || app.send(sign_in_with(&token, &cookie_of(&challenge)));
        assert_unbound(&app.send(bearer(&token)).await, BindingFault::NoChallenge, "stolen");
        assert!(session_of(&send().await).is_some(), "{replay:?}: the thief used nothing up");
        assert_eq!(send().await.status, StatusCode::UNAUTHORIZED, "{replay:?}");
    }
}

#[tokio::test]
async fn the_hooks_refusal_uses_no_challenge_up() {
    let refusing = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let switch = std::sync::Arc::clone(&refusing);
    let app = required().with(|auth| {
        auth.with_on_login(move |_| {
            let refusing = switch.load(std::sync::atomic::Ordering::SeqCst);
            async move { if refusing { Err(tower_didt::Refusal::forbidden()) } else { Ok(()) } }
        })
    });
    let challenge = app.auth.challenge().expect("a challenge");
    let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::FORBIDDEN, 0));
    refusing.store(false, std::sync::atomic::Ordering::SeqCst);
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert!(session_of(&answer).is_some(), "{answer:?}");
}

#[tokio::test]
async fn a_store_that_is_down_signs_nobody_in() {
    let store = FaultyStore::default();
    let app = required().with(|auth| auth.with_store(store.clone()));
    let challenge = app.auth.challenge().expect("needs no store");
    let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
    store.set_down(true);
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty());
    store.set_down(false);
    let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert!(session_of(&answer).is_some());
}

#[tokio::test]
async fn without_sessions_every_request_brings_token_and_challenge() {
    let app = required().with(|auth| auth.with_store(NoSessions));
    let challenge = app.auth.challenge().expect("a challenge");
    let token = bound_token(&app, &Wallet::from_seed("alice"), challenge.value());
    assert_unbound(&app.send(bearer(&token)).await, BindingFault::NoChallenge, "stolen");
    for _ in 0..2 {
        let answer = app.send(sign_in_with(&token, &cookie_of(&challenge))).await;
        assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0));
    }
}

#[tokio::test]
async fn one_key_makes_challenges_good_on_every_server() {
    let server =
        || App::new().with(|auth| auth.with_bound_login(BoundLogin::required().with_key([7; 32])));
    let (one, two) = (server(), server());
    let challenge = one.auth.challenge().expect("a challenge");
    let token = bound_token(&two, &Wallet::from_seed("alice"), challenge.value());
    let answer = two.send(sign_in_with(&token, &cookie_of(&challenge))).await;
    assert!(session_of(&answer).is_some(), "{answer:?}");
}

#[tokio::test]
async fn a_challenge_goes_out_as_json_with_its_cookie_and_is_not_cached() {
    let app =
        required().with(|auth| auth.with_cookie(SessionCookie::named("shop").expect("a name")));
    let challenge = app.auth.challenge().expect("a challenge");
    let response = challenge.to_response();
    let body: serde_json::Value = serde_json::from_slice(response.body()).expect("JSON");
    assert_eq!(body, serde_json::json!({ "challenge": challenge.value(), "expires_in": 600 }));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let cookie = response.headers()["set-cookie"].to_str().expect("ASCII");
    assert!(cookie.starts_with("__Host-shop-challenge="), "{cookie}");
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(!cookie.contains(challenge.value()), "the page's value must not be the cookie's");
    assert!(!format!("{challenge:?} {:?}", app.auth).contains(challenge.value()));
}

#[tokio::test]
async fn the_helper_for_tests_signs_in_bound_and_unbound_under_any_cookie_name() {
    let cookie = SessionCookie::named("shop").expect("a name");
    for app in [App::new(), optional(), required().with(|auth| auth.with_cookie(cookie))] {
        let alice = Wallet::from_seed("alice");
        let cookie = tower_didt::testing::sign_in(&app.auth, &alice).await;
        let answer = app.send(empty(request().header(COOKIE, cookie))).await;
        assert_eq!((answer.status, answer.body), (StatusCode::OK, alice.issuer().to_string()));
    }
}

#[tokio::test]
#[should_panic(expected = "was not signed in: the application refused")]
async fn the_helper_for_tests_says_why_it_cannot_sign_in() {
    let app = App::new().with(|auth| {
        auth.with_on_login(|_| async { Err::<(), _>(tower_didt::Refusal::forbidden()) })
    });
    tower_didt::testing::sign_in(&app.auth, &Wallet::from_seed("alice")).await;
}
