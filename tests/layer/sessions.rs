//! One token, one session: minting, resuming, ending.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use http::StatusCode;
use tower_didt::store::SessionStore;
use tower_didt::testing::Wallet;
use tower_didt::{
    DidAuth, Lifetimes, NoSessions, OnceOnly, Rejection, Replay, SameSite, SessionCookie, Verifier,
};

use crate::support::{
    AUDIENCE, App, Call, FaultyStore, START, bearer, both, empty, request, to, with_cookie,
};

#[tokio::test]
async fn a_token_signs_in_and_the_cookie_alone_authenticates_the_next_request() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let answer = app.send(bearer(&app.token(&alice))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, &*alice.issuer().to_string())
    );
    let [cookie] = &answer.set_cookies()[..] else { panic!("one cookie: {answer:?}") };
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax", "Secure"]);
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let answer = app.send(with_cookie(&answer.ticket().expect("a session"))).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::OK, &*alice.issuer().to_string())
    );
    assert!(answer.set_cookies().is_empty(), "the cookie is set once");
}

#[tokio::test]
async fn a_token_presented_again_authenticates_and_sets_no_cookie() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let token = app.token(&alice);
    app.send(bearer(&token)).await.ticket().expect("a session");
    for _ in 0..3 {
        let answer = app.send(bearer(&token)).await;
        assert_eq!(answer.body, alice.issuer().to_string());
        assert!(answer.set_cookies().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_presentations_at_once_make_one_session() {
    for store_is_slow in [false, true] {
        let app = App::new();
        let app =
            if store_is_slow { app.with(|a| a.with_store(FaultyStore::default())) } else { app };
        let app = Arc::new(app);
        let token = app.token(&Wallet::from_seed("alice"));
        let sends: Vec<_> = (0..100)
            .map(|_| {
                let (app, token) = (Arc::clone(&app), token.clone());
                tokio::spawn(async move { app.send(bearer(&token)).await })
            })
            .collect();
        let mut cookies = 0;
        for send in sends {
            let answer = send.await.expect("no panic");
            assert_eq!(answer.status, StatusCode::OK);
            cookies += answer.set_cookies().len();
        }
        assert_eq!(cookies, 1);
    }
}

#[tokio::test]
async fn another_writing_of_a_used_token_makes_no_second_session() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let token = app.token(&alice);
    app.send(bearer(&token)).await.ticket().expect("a session");

    let json = STANDARD.decode(&token).expect("base64");
    let text = String::from_utf8(json.clone()).expect("UTF-8");
    let upper = {
        let (before, rest) = text.split_at(4);
        let (digits, after) = rest.split_at(130);
        format!("{before}{}{after}", digits.to_uppercase())
    };
    let rows = [
        ("no padding", STANDARD_NO_PAD.encode(&json)),
        ("URL-safe alphabet", URL_SAFE.encode(&json)),
        ("upper-case proof", STANDARD.encode(upper)),
        ("blanks in the array", STANDARD.encode(text.replacen("\",\"", "\" ,\n \"", 1))),
        ("blanks around the array", STANDARD.encode(format!(" {text}\n"))),
        ("an escape in the claim's string", STANDARD.encode(text.replacen("iat", "\\u0069at", 1))),
    ];
    for (name, again) in rows {
        let answer = app.send(bearer(&again)).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        assert!(answer.set_cookies().is_empty(), "{name} made a second session");
    }
}

#[tokio::test]
async fn single_use_refuses_a_used_token_even_beside_its_own_session() {
    let app = App::new().with(|auth| auth.with_replay(Replay::SingleUse));
    let alice = Wallet::from_seed("alice");
    let token = app.token(&alice);
    let ticket = app.send(bearer(&token)).await.ticket().expect("a session");
    for again in [bearer(&token), both(&token, &ticket)] {
        let answer = app.send(again).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").expect("a challenge").contains("invalid_token"));
    }
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);

    let beside = app.token(&alice);
    assert_eq!(app.send(both(&beside, &ticket)).await.status, StatusCode::OK);
    assert_eq!(app.send(bearer(&beside)).await.status, StatusCode::UNAUTHORIZED);
}

/// This store answers later, so both requests learn that the token is new before either uses it.
#[tokio::test]
async fn of_two_requests_at_once_with_a_token_for_single_use_one_passes() {
    let app = App::new()
        .with(|auth| auth.with_store(FaultyStore::default()).with_replay(Replay::SingleUse));
    let token = app.token(&Wallet::from_seed("alice"));
    let (first, second) = tokio::join!(app.send(bearer(&token)), app.send(bearer(&token)));
    let mut statuses = [first.status, second.status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
}

#[tokio::test]
async fn newest_only_refuses_what_was_issued_before_the_newest_accepted() {
    let app = App::new().with(|auth| auth.with_replay(Replay::NewestOnly));
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let (older, bobs) = (app.token(&alice), app.token(&bob));
    app.advance(10);
    let newer = app.token(&alice);
    let ticket = app.send(bearer(&newer)).await.ticket().expect("a session");
    assert_eq!(app.send(bearer(&newer)).await.status, StatusCode::OK, "itself, again");
    for old in [bearer(&older), both(&older, &ticket)] {
        let answer = app.send(old).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.header("www-authenticate").expect("a challenge").contains("invalid_token"));
    }
    assert_eq!(app.send(bearer(&bobs)).await.status, StatusCode::OK);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn with_newest_only_a_token_from_the_future_locks_nobody_out() {
    let app = App::new().with(|auth| auth.with_replay(Replay::NewestOnly));
    let alice = Wallet::from_seed("alice");
    let ahead = START.plus(Duration::from_secs(299));
    let ahead = alice.token(AUDIENCE).issued_at(ahead).mint();
    assert_eq!(app.send(bearer(&ahead)).await.status, StatusCode::OK);
    app.advance(1);
    assert_eq!(app.send(bearer(&app.token(&alice))).await.status, StatusCode::OK);
}

#[tokio::test]
async fn every_sign_in_makes_a_new_id_and_never_adopts_one_from_the_client() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let made_up = "A".repeat(43);
    let answer = app.send(both(&app.token(&alice), &made_up)).await;
    let first = answer.ticket().expect("a session");
    assert_ne!(first, made_up);
    assert_eq!(app.send(with_cookie(&made_up)).await.status, StatusCode::UNAUTHORIZED);
    assert_ne!(app.sign_in(&alice).await, first);
}

#[tokio::test]
async fn a_token_of_another_issuer_replaces_the_session_and_revokes_it() {
    let app = App::new();
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let old = app.sign_in(&alice).await;
    let answer = app.send(both(&app.token(&bob), &old)).await;
    assert_eq!(answer.body, bob.issuer().to_string());
    let new = answer.ticket().expect("a session of bob's");
    assert_ne!(new, old);
    assert_eq!(app.send(with_cookie(&old)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&new)).await.body, bob.issuer().to_string());
}

#[tokio::test]
async fn a_token_of_the_same_issuer_keeps_the_session_and_stays_unused() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let ticket = app.sign_in(&alice).await;
    let token = app.token(&alice);
    let answer = app.send(both(&token, &ticket)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    assert!(app.send(bearer(&token)).await.ticket().is_some());
}

#[tokio::test]
async fn where_one_signs_in_anew_a_token_of_the_same_issuer_replaces_the_session() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let old = app.sign_in(&alice).await;
    let token = app.token(&alice);
    let new = app.send_signing_in_anew(both(&token, &old)).await.ticket().expect("a new session");
    assert_eq!(app.send(with_cookie(&old)).await.status, StatusCode::UNAUTHORIZED);

    // The same request again, as after a broken connection, does not end what the first began.
    let again = app.send_signing_in_anew(both(&token, &new)).await;
    assert_eq!(again.status, StatusCode::OK);
    assert!(again.set_cookies().is_empty());
    assert_eq!(app.send(with_cookie(&new)).await.status, StatusCode::OK);

    let bad = app.send_signing_in_anew(both("x", &new)).await;
    assert_eq!(bad.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&new)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_token_for_single_use_signs_in_anew_once() {
    let app = App::new().with(|auth| auth.with_replay(Replay::SingleUse));
    let alice = Wallet::from_seed("alice");
    let old = app.sign_in(&alice).await;
    let token = app.token(&alice);
    let new = app.send_signing_in_anew(both(&token, &old)).await.ticket().expect("a new session");
    assert_eq!(app.send(with_cookie(&old)).await.status, StatusCode::UNAUTHORIZED);
    let again = app.send_signing_in_anew(both(&token, &new)).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&new)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_bad_token_is_401_beside_a_good_cookie_and_the_session_lives_on() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let ticket = app.sign_in(&alice).await;
    for bad in ["", "x", "Zm9v", &alice.token("did:magic:other-app").mint()] {
        let answer = app.send(both(bad, &ticket)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{bad:?}");
        assert!(answer.set_cookies().is_empty(), "{bad:?}");
    }
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_good_token_signs_in_beside_a_cookie_that_opens_nothing() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    for stale in ["", "garbage", &"A".repeat(43), &"A".repeat(5_000)] {
        assert!(app.send(both(&app.token(&alice), stale)).await.ticket().is_some(), "{stale:?}");
    }
}

#[tokio::test]
async fn a_cookie_that_opens_nothing_is_taken_away() {
    let app = App::new();
    for stale in ["", "garbage", &"A".repeat(43), &"A".repeat(5_000)] {
        let answer = app.send(with_cookie(stale)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.clears_cookie(), "{stale:?}");
        let answer = app.send_optional(with_cookie(stale)).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "nobody"));
        assert!(answer.clears_cookie(), "{stale:?}");
    }
}

#[tokio::test]
async fn two_different_session_cookies_open_neither_session() {
    let app = App::new();
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    let other = app.sign_in(&Wallet::from_seed("mallory")).await;
    let cookies = format!("__Host-didt={ticket}; __Host-didt={other}");
    let answer = app.send(empty(request().header("cookie", cookies))).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.clears_cookie());
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server_and_clears_the_cookie() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let (here, elsewhere) = (app.sign_in(&alice).await, app.sign_in(&alice).await);
    let answer = app.send(to("/sign-out", &here)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.clears_cookie());
    assert_eq!(app.send(with_cookie(&here)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&elsewhere)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_in_the_very_request_that_signed_in_sets_no_session() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let mut request = bearer(&app.token(&alice));
    *request.uri_mut() = "/sign-out".parse().expect("a path");
    let answer = app.send(request).await;
    assert_eq!(answer.ticket(), None);
    assert!(app.list(alice.issuer()).await.is_empty());
}

#[tokio::test]
async fn signing_out_with_a_used_token_leaves_the_cookie_of_somebody_else_alone() {
    let app = App::new();
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let (used, bobs) = (app.token(&alice), app.sign_in(&bob).await);
    app.send(bearer(&used)).await.ticket().expect("a session");
    let mut request = both(&used, &bobs);
    *request.uri_mut() = "/sign-out".parse().expect("a path");
    let answer = app.send(request).await;
    assert_eq!(answer.body, alice.issuer().to_string());
    assert!(answer.set_cookies().is_empty());
    assert_eq!(app.send(with_cookie(&bobs)).await.body, bob.issuer().to_string());
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_sessions_of_this_issuer_and_no_other() {
    let app = App::new();
    let (alice, bob) = (Wallet::from_seed("alice"), Wallet::from_seed("bob"));
    let (here, elsewhere) = (app.sign_in(&alice).await, app.sign_in(&alice).await);
    let bobs = app.sign_in(&bob).await;
    assert!(app.send(to("/everywhere", &here)).await.clears_cookie());
    app.advance(1);
    for gone in [&here, &elsewhere] {
        assert_eq!(app.send(with_cookie(gone)).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.send(with_cookie(&bobs)).await.status, StatusCode::OK);
    let again = app.sign_in(&alice).await;
    assert_eq!(app.send(with_cookie(&again)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_by_a_handle_that_opens_nothing() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let first = app.sign_in(&alice).await;
    app.advance(10);
    let second = app.sign_in(&alice).await;
    let sessions = app.list(alice.issuer()).await;
    assert_eq!(sessions.len(), 2);
    assert!(sessions[0].created_at < sessions[1].created_at, "oldest first");
    for session in &sessions {
        let handle = session.handle.to_string();
        assert_eq!(app.send(with_cookie(&handle)).await.status, StatusCode::UNAUTHORIZED);
    }
    assert!(app.auth.revoke(alice.issuer(), sessions[0].handle).await.expect("an answer"));
    assert_eq!(app.send(with_cookie(&first)).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.send(with_cookie(&second)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn above_the_allowed_number_of_sessions_the_oldest_leaves() {
    let app = App::new()
        .with(|auth| auth.with_max_sessions_per_issuer(NonZeroUsize::new(2).expect("not 0")));
    let alice = Wallet::from_seed("alice");
    let bobs = app.sign_in(&Wallet::from_seed("bob")).await;
    let tickets = [app.sign_in(&alice).await, app.sign_in(&alice).await, app.sign_in(&alice).await];
    let expected = [StatusCode::UNAUTHORIZED, StatusCode::OK, StatusCode::OK];
    for (ticket, status) in tickets.iter().zip(expected) {
        assert_eq!(app.send(with_cookie(ticket)).await.status, status);
    }
    assert_eq!(app.send(with_cookie(&bobs)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_after_its_lifetime_however_much_it_is_used() {
    let app = App::new();
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    for _ in 0..7 * 24 - 1 {
        app.advance(3600);
        assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    }
    app.advance(3599);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    app.advance(1);
    let answer = app.send(with_cookie(&ticket)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.clears_cookie());
}

#[tokio::test]
async fn an_unused_session_ends_after_the_idle_timeout_and_using_it_keeps_it() {
    let idle = Lifetimes::default().with_idle_timeout(Duration::from_secs(600));
    let app = App::new().with(|auth| auth.with_lifetimes(idle));
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    for _ in 0..5 {
        app.advance(599);
        assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    }
    app.advance(600);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_request_that_brings_a_token_of_the_same_issuer_uses_the_session_too() {
    let idle = Lifetimes::default().with_idle_timeout(Duration::from_secs(600));
    let app = App::new().with(|auth| auth.with_lifetimes(idle));
    let alice = Wallet::from_seed("alice");
    let ticket = app.sign_in(&alice).await;
    for _ in 0..5 {
        app.advance(599);
        assert_eq!(app.send(both(&app.token(&alice), &ticket)).await.status, StatusCode::OK);
    }
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn writing_the_last_use_down_is_throttled() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let ticket = app.sign_in(&Wallet::from_seed("alice")).await;
    for _ in 0..120 {
        app.advance(1);
        assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
    }
    let touches = store.calls_of(Call::Touch);
    assert_eq!(touches, 2, "once a minute");
}

#[tokio::test]
async fn a_token_older_than_the_cap_is_refused_whatever_its_own_expiry_says() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let for_ever = |app: &App| {
        let now = tower_didt::Clock::now(&app.clock);
        alice.token(AUDIENCE).issued_at(now).set("ext", 1e21).mint()
    };
    let token = for_ever(&app);
    app.advance(900);
    assert!(app.send(bearer(&token)).await.ticket().is_some(), "900 seconds old");
    let token = for_ever(&app);
    app.advance(901);
    let answer = app.send(bearer(&token)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "901 seconds old");
}

#[tokio::test]
async fn the_cap_on_the_age_of_tokens_holds_whatever_the_order_of_the_options() {
    let alice = Wallet::from_seed("alice");
    let hour = Duration::from_secs(3600);
    let longer = App::new()
        .with(|auth| auth.with_max_token_age(hour).with_store(tower_didt::MemoryStore::new()));
    let token = alice.token(AUDIENCE).issued_at(START);
    let token = token.lifespan(Duration::from_secs(86_400)).mint();
    longer.advance(3600);
    assert_eq!(longer.send(bearer(&token)).await.status, StatusCode::OK);
    longer.advance(1);
    assert_eq!(longer.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_verifiers_own_cap_on_age_is_not_widened_to_the_default() {
    let verifier = Verifier::new(AUDIENCE).with_max_age(Duration::from_secs(60));
    assert_eq!(verifier.max_age(), Some(Duration::from_secs(60)));
    let app = App::new();
    let clock = app.clock.clone();
    let app = app.with(|_| DidAuth::new(verifier).with_clock(clock).with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    app.advance(60);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
    app.advance(1);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_sessions_every_request_brings_its_token_and_no_cookie_is_set() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let alice = Wallet::from_seed("alice");
    let token = app.token(&alice);
    for _ in 0..3 {
        let answer = app.send(bearer(&token)).await;
        assert_eq!(answer.body, alice.issuer().to_string());
        assert!(answer.set_cookies().is_empty());
    }
    assert_eq!(app.send(with_cookie("x")).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_replay_mode_that_nothing_remembered_could_keep_lets_nobody_in() {
    let stores: [Arc<dyn SessionStore>; 2] =
        [Arc::new(NoSessions), Arc::new(OnceOnly::new(NoSessions))];
    for (replay, store) in [
        (Replay::SingleUse, &stores[0]),
        (Replay::SingleUse, &stores[1]),
        (Replay::NewestOnly, &stores[0]),
    ] {
        let app = App::new().with(|auth| auth.with_store(Arc::clone(store)).with_replay(replay));
        let token = app.token(&Wallet::from_seed("alice"));
        let answers =
            [app.send(bearer(&token)).await, app.send_without_sign_in(bearer(&token)).await];
        for answer in answers {
            assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{replay:?}");
            let rejection = answer.extensions.get::<Rejection>().expect("a reason");
            assert_eq!(rejection.name(), "store_unsuited");
            assert!(rejection.to_string().contains("remembers nothing"), "{rejection}");
        }
    }
}

/// Browsers send the cookie of one part of a host to the other parts too.
#[tokio::test]
async fn where_no_sessions_are_kept_the_cookie_is_somebody_elses_and_stays() {
    let ticket = App::new().sign_in(&Wallet::from_seed("alice")).await;
    let without_sessions = [
        App::new().with(|auth| auth.with_store(NoSessions)),
        App::new().with(|auth| auth.with_store(OnceOnly::new(FaultyStore::default()))),
    ];
    for app in without_sessions {
        for value in [ticket.clone(), "x".to_owned(), format!("{ticket}; __Host-didt=x")] {
            let required = app.send(with_cookie(&value)).await;
            assert_eq!(required.status, StatusCode::UNAUTHORIZED);
            let optional = app.send_optional(with_cookie(&value)).await;
            assert_eq!(optional.body, "nobody");
            for answer in [required, optional] {
                assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{:?}", app.auth);
            }
        }
    }
}

#[tokio::test]
async fn without_sessions_the_cap_on_the_age_of_tokens_holds_too() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let alice = Wallet::from_seed("alice");
    let for_ever = alice.token(AUDIENCE).issued_at(START);
    let for_ever = for_ever.set("ext", 1e21).mint();
    app.advance(900);
    assert_eq!(app.send(bearer(&for_ever)).await.status, StatusCode::OK);
    app.advance(1);
    assert_eq!(app.send(bearer(&for_ever)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn beside_sessions_of_the_applications_own_a_token_signs_in_once() {
    let app = App::new().with(|auth| {
        auth.with_store(OnceOnly::new(FaultyStore::default())).with_replay(Replay::SingleUse)
    });
    let token = app.token(&Wallet::from_seed("alice"));
    let answer = app.send(bearer(&token)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_cookie_can_be_renamed_and_made_strict() {
    let cookie = SessionCookie::named("shop").expect("a name").with_same_site(SameSite::Strict);
    let app = App::new().with(|auth| auth.with_cookie(cookie));
    let answer = app.send(bearer(&app.token(&Wallet::from_seed("alice")))).await;
    let cookie = &answer.set_cookies()[0];
    assert!(cookie.starts_with("__Host-shop=") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    let answer = app.send(empty(request().header("cookie", pair))).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn all_layers_of_one_auth_share_sessions_and_used_tokens() {
    let (app, alice) = (App::new(), Wallet::from_seed("alice"));
    let token = app.token(&alice);
    let ticket = app.send(bearer(&token)).await.ticket().expect("a session");
    let answer = app.send_optional(bearer(&token)).await;
    assert!(answer.set_cookies().is_empty(), "another layer made a second session");
    assert_eq!(app.send_optional(with_cookie(&ticket)).await.body, alice.issuer().to_string());
}

/// A token that is accepted for longer than its own `ext` is remembered as used for as long.
#[tokio::test]
async fn a_used_token_is_remembered_for_the_expiry_leeway_too() {
    let leeway = Duration::from_secs(600);
    let verifier = Verifier::new(AUDIENCE).with_expiry_leeway(leeway);
    let app = App::new();
    let auth = DidAuth::new(verifier).with_clock(app.clock.clone());
    let app = app.with(|_| auth);
    let alice = Wallet::from_seed("alice");
    let token = alice.token(AUDIENCE).issued_at(START).lifespan(Duration::from_secs(60)).mint();
    assert!(app.send(bearer(&token)).await.ticket().is_some());
    for seconds in [59, 2, 300, 200] {
        app.advance(seconds);
        // Another sign-in makes the store forget what it need not know any more.
        app.sign_in(&Wallet::from_seed("bob")).await;
        let answer = app.send(bearer(&token)).await;
        assert_eq!(answer.status, StatusCode::OK, "within the leeway");
        assert_eq!(answer.ticket(), None, "one session, ever");
    }
    app.advance(100);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_cap_on_the_age_of_tokens_counts_whichever_way_it_is_set() {
    let alice = Wallet::from_seed("alice");
    let aged = |seconds| {
        let at = START.minus(Duration::from_secs(seconds));
        alice.token(AUDIENCE).issued_at(at).lifespan(Duration::from_secs(9_000)).mint()
    };
    for (max, accepted, refused) in
        [(None, 900, 901), (Some(60), 60, 61), (Some(3_600), 3_600, 3_601)]
    {
        let app = App::new().with(|auth| match max {
            Some(max) => auth.with_max_token_age(Duration::from_secs(max)),
            None => auth,
        });
        assert_eq!(app.send(bearer(&aged(accepted))).await.status, StatusCode::OK, "{max:?}");
        let answer = app.send(bearer(&aged(refused))).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{max:?}");
        assert!(answer.body.contains("\"too_old\""), "{}", answer.body);
    }
}

/// A verifier that forgives ten minutes accepts a token for ten minutes longer, so a store has to
/// know it as used for ten minutes longer.
#[tokio::test]
async fn a_used_token_is_remembered_for_as_long_as_the_expiry_leeway_lets_it_pass() {
    let leeway = Duration::from_secs(600);
    let verifier = Verifier::new(AUDIENCE).with_expiry_leeway(leeway);
    let (app, store) = (App::new(), FaultyStore::default());
    let auth = DidAuth::new(verifier).with_clock(app.clock.clone()).with_store(store.clone());
    let app = App { auth: auth.with_max_token_age(Duration::from_secs(3600)), ..app };
    let alice = Wallet::from_seed("alice");
    let lifespan = Duration::from_secs(60);
    let token = alice.token(AUDIENCE).issued_at(START).lifespan(lifespan).mint();
    assert!(app.send(bearer(&token)).await.ticket().is_some());
    let mark = store.last_minted().expect("a mark");
    assert_eq!(mark.usable_until, START.plus(lifespan + leeway));
    app.advance(60 + 599);
    let again = app.send(bearer(&token)).await;
    assert_eq!(again.status, StatusCode::OK, "it still authenticates");
    assert!(again.ticket().is_none(), "one session per token");
    app.advance(2);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
}
