//! Signing out everywhere ends tokens too.

use http::StatusCode;
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::Wallet;
use tower_didt::{
    Clock, MemoryStore, NoSessions, OnceOnly, Rejection, Replay, SealedStore, SealingKeys,
    StoreError,
};

use crate::support::{AUDIENCE, Answer, App, bearer, both, to, with_cookie};

const MODES: [Replay; 3] = [Replay::Authenticate, Replay::SingleUse, Replay::NewestOnly];

fn alice() -> Wallet {
    Wallet::from_seed("alice")
}

fn reason(answer: &Answer) -> &'static str {
    answer.extensions.get::<Rejection>().map_or("passed", Rejection::name)
}

/// Applications with every store in this process, in one replay mode.
fn apps(replay: Replay) -> [App; 3] {
    let keys = SealingKeys::generate().expect("randomness");
    [
        App::new().with(|auth| auth.with_store(MemoryStore::new())),
        App::new().with(|auth| auth.with_store(SealedStore::new(keys, MemoryLedger::new()))),
        App::new().with(|auth| auth.with_store(OnceOnly::new(MemoryStore::new()))),
    ]
    .map(|app| app.with(|auth| auth.with_replay(replay)))
}

fn issued(app: &App, seconds: i64) -> String {
    let at = tower_didt::Timestamp::from_secs(app.clock.now().as_secs() + seconds);
    alice().token(AUDIENCE).issued_at(at).mint()
}

#[tokio::test]
async fn in_every_replay_mode_older_tokens_end_and_younger_ones_sign_in() {
    for replay in MODES {
        for app in apps(replay) {
            let what = format!("{replay:?} {:?}", app.auth);
            let [used, seen, unseen] = [-2, -1, 0].map(|second| issued(&app, second));
            assert_eq!(app.send(bearer(&used)).await.status, StatusCode::OK, "{what}");
            assert_eq!(app.send_without_sign_in(bearer(&seen)).await.status, 200, "{what}");
            app.auth.sign_out_everywhere(alice().issuer()).await.expect("told");
            for token in [&used, &seen, &unseen] {
                let answers = [
                    app.send(bearer(token)).await,
                    app.send_optional(bearer(token)).await,
                    app.send_without_sign_in(bearer(token)).await,
                    app.send_signing_in_anew(bearer(token)).await,
                ];
                for answer in answers {
                    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}");
                    assert_eq!(reason(&answer), "token_revoked", "{what}");
                    assert_eq!(
                        answer.header("www-authenticate"),
                        Some("Bearer realm=\"magic\", error=\"invalid_token\""),
                    );
                    assert!(answer.set_cookies().is_empty(), "{what}");
                }
            }
            let bobs = app.token(&Wallet::from_seed("bob"));
            assert_eq!(app.send(bearer(&bobs)).await.status, StatusCode::OK, "{what}");
            app.advance(1);
            let fresh = app.token(&alice());
            assert_eq!(app.send_without_sign_in(bearer(&fresh)).await.status, 200, "{what}");
            let next = app.token(&alice());
            assert_eq!(app.send(bearer(&next)).await.status, StatusCode::OK, "{what}");
        }
    }
}

#[tokio::test]
async fn tokens_dated_ahead_end_if_they_were_presented() {
    for replay in MODES {
        for app in apps(replay) {
            let what = format!("{replay:?} {:?}", app.auth);
            let [seen, used, unseen] = [200, 201, 202].map(|second| issued(&app, second));
            assert_eq!(app.send_without_sign_in(bearer(&seen)).await.status, 200, "{what}");
            assert_eq!(app.send(bearer(&used)).await.status, StatusCode::OK, "{what}");
            app.auth.sign_out_everywhere(alice().issuer()).await.expect("told");
            for wait in [0, 100, 150] {
                app.advance(wait);
                for token in [&seen, &used] {
                    assert_eq!(reason(&app.send(bearer(token)).await), "token_revoked", "{what}");
                    let answer = app.send_without_sign_in(bearer(token)).await;
                    assert_eq!(reason(&answer), "token_revoked", "{what}");
                }
            }
            assert_eq!(app.send(bearer(&unseen)).await.status, StatusCode::OK, "{what}");
        }
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_beside_a_good_cookie_too() {
    let app = App::new();
    let old = app.token(&alice());
    app.auth.sign_out_everywhere(alice().issuer()).await.expect("told");
    app.advance(1);
    let ticket = app.sign_in(&alice()).await;
    let answer = app.send(both(&old, &ticket)).await;
    assert_eq!((answer.status, reason(&answer)), (StatusCode::UNAUTHORIZED, "token_revoked"));
    assert!(answer.set_cookies().is_empty(), "the session stays");
    assert_eq!(app.send(with_cookie(&ticket)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_hook_is_not_asked_about_a_revoked_token() {
    let app = App::new();
    let old = app.token(&alice());
    app.auth.sign_out_everywhere(alice().issuer()).await.expect("told");
    let app = app.with(|auth| {
        auth.with_on_login(|_| async { Err::<(), _>(tower_didt::Refusal::forbidden()) })
    });
    assert_eq!(reason(&app.send(bearer(&old)).await), "token_revoked");
    assert_eq!(reason(&app.send_without_sign_in(bearer(&old)).await), "token_revoked");
}

#[tokio::test]
async fn signing_out_here_leaves_tokens_alone() {
    let app = App::new();
    let token = app.token(&alice());
    let ticket = app.send(bearer(&token)).await.ticket().expect("a session");
    assert!(app.send(to("/sign-out", &ticket)).await.clears_cookie());
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn where_nothing_is_remembered_signing_out_everywhere_says_that_it_cannot() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let answer = app.auth.sign_out_everywhere(alice().issuer()).await;
    assert!(matches!(answer, Err(StoreError::Forgetful)), "{answer:?}");
}
