//! What a layer remembers changes no verdict: neither the cache of proofs nor that of keys, and
//! not in which order or how many at a time tokens come.

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{Request, Response};
use proptest::prelude::*;
use tower::{Layer, Service, service_fn};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{DidAuth, NoSessions, Session, Verifier};

use crate::support::{AUDIENCE, Choices, Parts, START, config};

/// Who passes with this token: the issuer, as the handler is told.
fn ask(auth: &DidAuth, token: &str) -> Option<String> {
    let told = std::sync::Mutex::new(None);
    let whoami = |request: Request<()>| {
        let session = request.extensions().get::<Session>().expect("a session");
        *told.lock().expect("no panic") = Some(session.issuer().to_string());
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    };
    let request = Request::builder().header(AUTHORIZATION, format!("Bearer {token}"));
    let mut service = auth.layer().layer(service_fn(whoami));
    let mut future = std::pin::pin!(service.call(request.body(()).expect("a request")));
    loop {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(response)) = polled else { continue };
        let told = told.lock().expect("no panic").take();
        assert_eq!(response.status().is_success(), told.is_some());
        return told;
    }
}

/// Tokens of two issuers, good and bad, each in several writings; with what becomes of each.
fn tokens(choices: &mut Choices) -> Vec<(String, Option<String>)> {
    let [alice, bob] = ["alice", "bob"].map(Wallet::from_seed);
    let mut tokens = Vec::new();
    for (own, other) in [(&alice, &bob), (&bob, &alice)] {
        let claim = || own.token(AUDIENCE).issued_at(START);
        let good = Parts::of_claim(own, claim().claim());
        let second = Parts::of_claim(own, claim().claim());
        // The other's signature under this one's name, and its own under another claim.
        let forged = Parts::of_claim(other, claim().claim());
        let swapped = Parts { proof: good.proof.clone(), claim: second.claim.clone() };
        let late = Parts::of_claim(own, claim().set("ext", START.as_secs() - 1).claim());
        let foreign = Parts::of_claim(own, own.token("did:magic:other").issued_at(START).claim());
        let issuer = Some(own.issuer().to_string());
        for (parts, verdict) in [
            (good, issuer.clone()),
            (second, issuer),
            (forged, None),
            (swapped, None),
            (late, None),
            (foreign, None),
        ] {
            tokens.push((parts.token(), verdict.clone()));
            tokens.push((parts.written(choices), verdict));
        }
    }
    tokens
}

proptest! {
    #![proptest_config(config(24))]

    /// With caches of any size, cold or warm, in any order, by three threads at once: who
    /// passes is what an own verifier says of each token alone.
    #[test]
    fn no_cache_order_or_company_changes_a_verdict(
        order in proptest::collection::vec(any::<prop::sample::Index>(), 1..40),
        mut choices in Choices::any(),
    ) {
        let tokens = tokens(&mut choices);
        let policy = Verifier::new(AUDIENCE)
            .with_max_age(Duration::from_secs(900))
            .with_max_token_len(64 * 1024);
        for (token, expected) in &tokens {
            let alone = policy.verify(token, START).ok();
            prop_assert_eq!(&alone.map(|claim| claim.issuer().to_string()), expected);
        }
        for (proofs, keys) in [(0, 0), (3_000, 1_000), (1 << 24, 0), (0, 1 << 23), (1 << 24, 1 << 23)] {
            let verifier = Verifier::new(AUDIENCE).with_max_token_len(64 * 1024);
            let auth = DidAuth::new(verifier)
                .with_clock(FixedClock::at(START))
                .with_store(NoSessions)
                .with_proof_cache_bytes(proofs)
                .with_issuer_cache_bytes(keys);
            std::thread::scope(|scope| {
                for start in 0..3 {
                    let (auth, tokens, order) = (&auth, &tokens, &order);
                    scope.spawn(move || {
                        for at in order.iter().cycle().skip(start * 7).take(order.len()) {
                            let (token, expected) = &tokens[at.index(tokens.len())];
                            assert_eq!(&ask(auth, token), expected, "{token}");
                        }
                    });
                }
            });
        }
    }
}
