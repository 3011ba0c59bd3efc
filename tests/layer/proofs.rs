//! The proof cache remembers who signed, and nothing else.

use http::StatusCode;
use tower_didt::NoSessions;
use tower_didt::testing::Wallet;

use crate::support::{AUDIENCE, App, START, bearer};

#[tokio::test]
async fn expiry_is_checked_again_for_a_token_seen_before() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
    app.advance(900);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
    app.advance(1);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::UNAUTHORIZED);
    app.clock.set(START);
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK, "a verdict is not cached");
}

#[tokio::test]
async fn a_token_seen_before_with_one_bit_changed_is_refused() {
    let app = App::new().with(|auth| auth.with_store(NoSessions));
    let token = app.token(&Wallet::from_seed("alice"));
    assert_eq!(app.send(bearer(&token)).await.status, StatusCode::OK);
    for position in (0..token.len()).step_by(7) {
        let mut bytes = token.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).expect("ASCII");
        let status = app.send(bearer(&changed)).await.status;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "byte {position}");
    }
}

#[tokio::test]
async fn verdicts_are_the_same_with_a_cache_and_without() {
    let wallet = Wallet::from_seed("alice");
    let tokens = [
        wallet.token(AUDIENCE).issued_at(START).mint(),
        wallet.token("did:magic:other").issued_at(START).mint(),
        wallet.token(AUDIENCE).issued_at(START).set("ext", 1).mint(),
        wallet
            .token(AUDIENCE)
            .issued_at(START)
            .set("iss", Wallet::from_seed("bob").issuer())
            .mint(),
    ];
    for bytes in [0, 16 * 1024 * 1024] {
        let app = App::new().with(|auth| auth.with_proof_cache_bytes(bytes).with_store(NoSessions));
        for _ in 0..3 {
            let mut verdicts = Vec::new();
            for token in &tokens {
                verdicts.push(app.send(bearer(token)).await.status.as_u16());
            }
            assert_eq!(verdicts, [200, 401, 401, 401], "cache of {bytes} bytes");
        }
    }
}
