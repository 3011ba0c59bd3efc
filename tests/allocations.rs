//! What the layer allocates on its hot paths: no more than handing the session over takes.

#![expect(clippy::expect_used, reason = "a test that panics is a test that fails")]

use std::convert::Infallible;
use std::future::ready;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::token::DidToken;
use tower_didt::{Clock, DidAuth, Timestamp, Verifier};

const AUDIENCE: &str = "did:magic:my-app";

/// An inner service that does nothing and allocates nothing.
async fn inner(_: Request<()>) -> Result<Response<()>, Infallible> {
    ready(Ok(Response::new(()))).await
}

/// Allocations of one call, and its response.
fn call(auth: &DidAuth, request: Request<()>) -> (u64, Response<()>) {
    let mut service = auth.layer().layer(service_fn(inner));
    let mut response = None;
    let counted = allocation_counter::measure(|| {
        let mut future = std::pin::pin!(service.call(request));
        let Poll::Ready(Ok(answer)) = future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            unreachable!("memory answers at once");
        };
        response = Some(answer);
    });
    (counted.count_total, response.expect("a response").map(drop))
}

/// Allocations that putting any shared value into the extensions takes.
fn allocations_of_an_extension() -> u64 {
    #[derive(Clone)]
    struct Shared(#[expect(dead_code, reason = "its size matters")] std::sync::Arc<[u8; 64]>);

    let mut request = Request::new(());
    let counted = allocation_counter::measure(|| {
        request.extensions_mut().insert(Shared(std::sync::Arc::new([0; 64])));
    });
    assert!(counted.count_total > 0);
    counted.count_total
}

/// Allocations of one counter or histogram with a label: what the feature `metrics`
/// costs, which is on in tests.
fn allocations_of_a_measure() -> u64 {
    let outcome = std::hint::black_box("outcome");
    let count = || metrics::counter!("test", "outcome" => outcome).increment(1);
    allocation_counter::measure(count).count_total
}

#[test]
fn a_session_and_a_token_seen_before_allocate_the_extension_alone() {
    let clock = FixedClock::at(Timestamp::from_secs(1_700_000_000));
    let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(clock.clone());
    let token = Wallet::from_seed("alice").token(AUDIENCE).issued_at(clock.now()).mint();
    let bearer = || {
        let builder = Request::builder().header("authorization", format!("Bearer {token}"));
        builder.body(()).expect("a request")
    };

    let (_, response) = call(&auth, bearer());
    let cookie = response.headers().get("set-cookie").expect("a cookie").to_str().expect("ASCII");
    let pair = cookie.split(';').next().expect("a pair").to_owned();
    let with_cookie = || Request::builder().header("cookie", &pair).body(()).expect("a request");

    // Caches do some of their housekeeping on later calls.
    for _ in 0..3 {
        call(&auth, bearer());
        call(&auth, with_cookie());
    }
    let extension = allocations_of_an_extension();
    let measure = allocations_of_a_measure();
    // Measured are: the store's load, the decision.
    assert_eq!(call(&auth, with_cookie()).0, extension + 2 * measure, "a session");
    // The verification, the store's mint, the decision.
    assert_eq!(call(&auth, bearer()).0, extension + 3 * measure, "a token seen before");
}

/// Bytes that are still allocated when `make` is done, and what it made.
fn kept<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let mut made = None;
    let counted = allocation_counter::measure(|| made = Some(make()));
    let bytes = counted.bytes_current.try_into().expect("nothing older was freed");
    (bytes, made.expect("made"))
}

#[test]
fn memory_sizes_are_what_the_allocator_was_asked_for() {
    let wallet = Wallet::from_seed("alice");
    let token = |attachment| wallet.token(AUDIENCE).attachment(attachment).set("tid", "one").mint();
    // The curve's tables are made at their first use.
    DidToken::decode(token("none")).and_then(DidToken::into_signed).expect("a good token");

    let text = token("none");
    let (bytes, (signed, key)) = kept(|| {
        DidToken::decode(&text).and_then(DidToken::into_signed_and_key).expect("a good token")
    });
    assert_eq!(signed.memory_size(), bytes);

    let (table, key) = kept(|| key.prepared());
    assert_eq!(key.memory_size(), table + size_of_val(&key));
}
