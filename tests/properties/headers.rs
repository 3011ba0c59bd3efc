//! Whatever stands in `Authorization` and `Cookie`: no panic, and nobody passes for it.

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, HeaderName, SET_COOKIE};
use http::{HeaderValue, Request, Response, StatusCode};
use proptest::prelude::*;
use tower::{Layer, Service, service_fn};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{Clock, DidAuth, NoSessions, Session, Verifier};

use crate::support::{AUDIENCE, Parts, START, config};

fn auth() -> (DidAuth, FixedClock) {
    let clock = FixedClock::at(START);
    (DidAuth::new(Verifier::new(AUDIENCE)).with_clock(clock.clone()), clock)
}

/// Who passes a required layer with these headers.
fn ask(auth: &DidAuth, headers: &[(HeaderName, Vec<u8>)]) -> (StatusCode, Option<String>) {
    let mut request = Request::new(());
    for (name, value) in headers {
        // What no header can hold does not arrive.
        let Ok(value) = HeaderValue::from_bytes(value) else { continue };
        request.headers_mut().append(name, value);
    }
    let whoami = |request: Request<()>| async move {
        assert!(request.extensions().get::<Session>().is_some(), "passed without a session");
        Ok::<_, Infallible>(Response::new(()))
    };
    let mut service = auth.layer().layer(service_fn(whoami));
    let mut future = std::pin::pin!(service.call(request));
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let Poll::Ready(Ok(response)) = polled {
            let cookie = response.headers().get(SET_COOKIE).map(|value| {
                value.to_str().expect("ASCII").split(';').next().expect("a pair").to_owned()
            });
            return (response.status(), cookie);
        }
    }
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..200)
}

fn authorization() -> impl Strategy<Value = Vec<u8>> {
    let scheme = proptest::sample::select(vec![
        "Bearer ",
        "bearer ",
        "BEARER\t",
        "Bearer",
        "Basic ",
        "Bearer Bearer ",
        "",
        ", ",
        "Bearer,",
    ]);
    (scheme, bytes()).prop_map(|(scheme, rest)| [scheme.as_bytes(), &rest].concat())
}

fn cookie() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "__Host-didt=",
            "__Host-didt",
            "__Secure-didt=",
            "didt=",
            "; ",
            ";",
            "=",
            "\"",
            "\t",
            " ",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "\u{a0}",
            "\u{2003}",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
        bytes(),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(config(384))]

    #[test]
    fn arbitrary_headers_never_pass(
        authorizations in proptest::collection::vec(authorization(), 0..3),
        cookies in proptest::collection::vec(cookie(), 0..3),
    ) {
        let (auth, _) = auth();
        let headers: Vec<_> = authorizations
            .into_iter()
            .map(|value| (AUTHORIZATION, value))
            .chain(cookies.into_iter().map(|value| (COOKIE, value)))
            .collect();
        let (status, cookie) = ask(&auth, &headers);
        prop_assert!(
            matches!(status, StatusCode::UNAUTHORIZED | StatusCode::BAD_REQUEST),
            "{status}"
        );
        prop_assert!(cookie.is_none_or(|pair| pair == "__Host-didt="), "a session from nothing");
    }

    /// A living session's cookie with anything done to it: its exact value opens the session,
    /// and nothing else does.
    #[test]
    fn a_cookie_that_was_tampered_with_opens_nothing(
        from in any::<prop::sample::Index>(),
        length in 0usize..4,
        instead in "[ -~]{0,4}",
    ) {
        let (auth, _) = auth();
        let token = Wallet::from_seed("alice").token(AUDIENCE).issued_at(START).mint();
        let bearer = [(AUTHORIZATION, format!("Bearer {token}").into_bytes())];
        let (_, pair) = ask(&auth, &bearer);
        let pair = pair.expect("a session");
        let from = from.index(pair.len());
        let to = (from + length).min(pair.len());
        let tampered = format!("{}{instead}{}", &pair[..from], &pair[to..]);
        let same = tampered.split(';').any(|part| part.trim_matches([' ', '\t']) == pair);
        let (status, _) = ask(&auth, &[(COOKIE, tampered.into_bytes())]);
        prop_assert_eq!(status == StatusCode::OK, same);
        prop_assert_eq!(ask(&auth, &[(COOKIE, pair.into_bytes())]).0, StatusCode::OK);
    }

    /// A good token between other bytes: the exact one passes, and nothing else does.
    #[test]
    fn a_token_between_other_bytes_passes_only_if_it_is_the_same_token(
        before in "[ -~]{0,3}",
        after in "[ -~]{0,3}",
    ) {
        let (auth, _) = auth();
        let token = Parts::new(&Wallet::from_seed("alice")).token();
        let value = format!("Bearer {before}{token}{after}");
        let (status, _) = ask(&auth, &[(AUTHORIZATION, value.into_bytes())]);
        let verifier = Verifier::new(AUDIENCE).with_max_age(Duration::from_secs(900));
        let text = format!("{}{token}{after}", before.trim_start_matches(' '));
        prop_assert_eq!(status == StatusCode::OK, verifier.verify(text, START).is_ok());
    }

    /// The cache of proofs changes no verdict: any tokens, any times, asked for again and again.
    #[test]
    fn the_proof_cache_changes_no_verdict(
        questions in proptest::collection::vec((0usize..6, -1000i64..2000), 1..24),
    ) {
        let wallet = Wallet::from_seed("alice");
        let sound = || wallet.token(AUDIENCE).issued_at(START);
        let tokens = [
            sound().mint(),
            sound().lifespan(Duration::from_secs(60)).mint(),
            sound().set("ext", 1e300).mint(),
            sound().set("iss", Wallet::from_seed("bob").issuer()).mint(),
            wallet.token("did:magic:other").issued_at(START).mint(),
            sound().set("nbf", START.as_secs() + 500).mint(),
        ];
        let policy = Verifier::new(AUDIENCE).with_max_age(Duration::from_secs(900));
        let layers = [0, 4_000, 16 * 1024 * 1024].map(|bytes| {
            let (auth, clock) = auth();
            (auth.with_store(NoSessions).with_proof_cache_bytes(bytes), clock)
        });
        for (token, offset) in questions {
            let now = tower_didt::Timestamp::from_secs(START.as_secs() + offset);
            let expected = policy.verify(&tokens[token], now).is_ok();
            for (auth, clock) in &layers {
                clock.set(now);
                assert_eq!(clock.now(), now);
                let bearer = [(AUTHORIZATION, format!("Bearer {}", tokens[token]).into_bytes())];
                prop_assert_eq!(ask(auth, &bearer).0 == StatusCode::OK, expected);
            }
        }
    }
}
