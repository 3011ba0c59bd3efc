//! What the layer adds to a service, in process: `cargo bench --bench layer`.
//!
//! All variants take turns in short rounds, so that a machine whose speed drifts
//! treats them alike. Printed are medians over the rounds.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark prints its result")]

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{
    DidAuth, MemoryLedger, MemoryStore, NoSessions, SealedStore, SealingKeys, SessionStore,
    Verifier,
};

const AUDIENCE: &str = "did:magic:bench";

const ROUNDS: usize = 60;
const CALLS: u32 = 2_000;

async fn inner(request: Request<()>) -> Result<Response<()>, Infallible> {
    black_box(&request);
    Ok(Response::new(()))
}

/// Drives a future that is never pending.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("memory answers at once"),
    }
}

fn request(name: &'static str, value: &str) -> Request<()> {
    Request::builder().header(name, value).body(()).expect("a request")
}

/// A service with sessions in `store`, a token, and the cookie made of it.
fn signed_in(store: impl SessionStore) -> (DidAuth, Request<()>, Request<()>) {
    let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_store(store);
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let bearer = request("authorization", &format!("Bearer {token}"));
    let response = now(auth.layer().layer(service_fn(inner)).call(bearer.clone())).expect("passes");
    let cookie = response.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    let pair = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or("none=");
    let cookie = request("cookie", pair);
    (auth, bearer, cookie)
}

/// Nanoseconds per call.
fn time(call: &mut dyn FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        call();
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn main() {
    let (memory, bearer, cookie) = signed_in(MemoryStore::new());
    let (none, ..) = signed_in(NoSessions);
    let keys = SealingKeys::generate().expect("randomness");
    let (sealed, _, sealed_cookie) = signed_in(SealedStore::new(keys, MemoryLedger::new()));
    let mut bare = service_fn(inner);
    let mut with_memory = memory.layer().layer(service_fn(inner));
    let mut with_none = none.layer().layer(service_fn(inner));
    let mut with_sealed = sealed.layer().layer(service_fn(inner));
    let mut optional = memory.layer().optional().layer(service_fn(inner));
    let empty = Request::builder().header("accept", "*/*").body(()).expect("a request");

    let mut run = |request: &Request<()>, which: u8| {
        let request = request.clone();
        match which {
            0 => drop(black_box(now(bare.call(request)))),
            1 => drop(black_box(now(with_memory.call(request)))),
            2 => drop(black_box(now(with_none.call(request)))),
            3 => drop(black_box(now(with_sealed.call(request)))),
            _ => drop(black_box(now(optional.call(request)))),
        }
    };
    // Name, request, service, and the service that it is compared with.
    let variants: [(&str, &Request<()>, u8); 6] = [
        ("session cookie, memory store", &cookie, 1),
        ("session cookie, sealed store", &sealed_cookie, 3),
        ("token seen before, memory store", &bearer, 1),
        ("token seen before, no sessions", &bearer, 2),
        ("no credentials, optional", &empty, 4),
        ("no credentials, required (401)", &empty, 1),
    ];
    let mut added = vec![Vec::new(); variants.len()];
    let mut base = Vec::new();
    for _ in 0..ROUNDS {
        for (index, (_, request, service)) in variants.iter().enumerate() {
            let bare = time(&mut || run(request, 0));
            let guarded = time(&mut || run(request, *service));
            base.push(bare);
            added.get_mut(index).expect("one for each").push(guarded - bare);
        }
    }
    println!("bare service: {:.0} ns a call (with the copy of the request)", median(&mut base));
    println!("added by the layer, median of {ROUNDS} rounds of {CALLS} calls:");
    for ((name, ..), mut added) in variants.into_iter().zip(added) {
        println!("  {name:<34} {:>6.0} ns", median(&mut added));
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
