//! Tokens, cookies and session ids never reach a log.

use tower_didt::testing::Wallet;

use crate::support::{App, FaultyStore, START, bearer, both, log, to, with_cookie};

#[tokio::test]
async fn a_full_verbosity_log_shows_decisions_and_no_secrets() {
    let store = FaultyStore::default();
    let app = App::new().with(|auth| auth.with_store(store.clone()));
    let alice = Wallet::from_seed("alice");
    let (token, unused) = (app.token(&alice), app.token(&alice));
    let foreign = alice.token("did:magic:other").issued_at(START).mint();
    let ticket = app.send(bearer(&token)).await.ticket().expect("a session");
    let mut answers = format!("{:?}", app.auth);
    for request in [
        bearer(&token),
        bearer(&foreign),
        both(&unused, &ticket),
        with_cookie(&ticket),
        with_cookie("unknown-ticket"),
        to("/sign-out", &ticket),
    ] {
        answers.push_str(&format!("{:?}", app.send(request).await.extensions));
    }
    store.set_down(true);
    assert_eq!(app.send(with_cookie(&ticket)).await.status, http::StatusCode::SERVICE_UNAVAILABLE);

    let log = log();
    for expected in [
        "decide:store{operation=\"mint\"}",
        "passed",
        "cookie=\"set\"",
        "minted",
        "audience_mismatch",
        "unknown_session",
        "store failed",
    ] {
        assert!(log.contains(expected), "no {expected} in\n{log}");
    }
    for secret in [&*token, &*unused, &*foreign, &*ticket, "unknown-ticket"] {
        assert!(!log.contains(secret), "a secret in\n{log}");
        assert!(!answers.contains(secret), "a secret in\n{answers}");
    }
}
