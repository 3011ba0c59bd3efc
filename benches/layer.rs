//! What the layer adds to a service, in process.
//!
//! ```text
//! cargo bench -p tower-didt-benches --bench layer
//! cargo bench -p tower-didt-benches --bench layer --features observed
//! ```
//!
//! All variants take turns in short rounds, each beside the bare service with the same
//! request, so that a machine whose speed drifts treats them alike. Printed are medians
//! over the rounds.

use std::hint::black_box;
use std::time::Instant;

use http::Request;
use tokio::runtime::Builder;
use tower_didt::sealed::MemoryLedger;
use tower_didt::store::SessionStore;
use tower_didt::testing::Wallet;
use tower_didt::{
    DidAuth, MemoryStore, NoSessions, SealedStore, SealingKeys, SystemClock, Verifier,
};
use tower_didt_benches::calls::{
    Bare, Guarded, bearer, now, people, request, signed_in, signed_in_and_looked_up,
};
use tower_didt_benches::{AUDIENCE, median};
use tower_layer::Layer;
use tower_service::Service;

const ROUNDS: usize = 300;
const CALLS: u32 = 1_000;

fn main() {
    let token = Wallet::from_seed("alice").token(AUDIENCE).mint();
    let keys = SealingKeys::generate().expect("randomness");
    let memory = auth(MemoryStore::new());
    let sealed = auth(SealedStore::new(keys, MemoryLedger::new()));
    let none = auth(NoSessions);
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let magic = people([Wallet::from_seed("alice").issuer()], SystemClock);
    let looked_up = auth(MemoryStore::new()).with_magic(magic);
    let guarded = |auth: &DidAuth| auth.layer().layer(Bare);

    // Name, request, service, status.
    let mut variants: Vec<(&str, Request<()>, Guarded, u16)> = vec![
        ("session cookie, memory store", signed_in(&memory, &token), guarded(&memory), 200),
        (
            "the same with a profile of Magic's",
            signed_in_and_looked_up(&runtime, &looked_up, &token),
            guarded(&looked_up),
            200,
        ),
        ("session cookie, sealed store", signed_in(&sealed, &token), guarded(&sealed), 200),
        ("token seen before, memory store", bearer(&token), guarded(&memory), 200),
        ("token seen before, no sessions", bearer(&token), guarded(&none), 200),
        ("no credentials, optional", empty(), memory.layer().optional().layer(Bare), 200),
        ("no credentials, required (401)", empty(), guarded(&memory), 401),
    ];
    for (name, request, service, status) in &mut variants {
        let Ok(response) = now(service.call(request.clone()));
        assert_eq!(response.status().as_u16(), *status, "{name}");
    }

    let mut base = Vec::new();
    let mut added = vec![Vec::new(); variants.len()];
    for _ in 0..ROUNDS {
        for ((_, request, service, _), added) in variants.iter_mut().zip(&mut added) {
            let bare = time(&mut Bare, request);
            base.push(bare);
            added.push(time(service, request) - bare);
        }
    }
    println!("bare service: {:.0} ns a call (with the copy of the request)", median(base));
    println!("added by the layer, median of {ROUNDS} rounds of {CALLS} calls:");
    for ((name, ..), added) in variants.into_iter().zip(added) {
        println!("  {name:<34} {:>6.0} ns", median(added));
    }
}

/// Nanoseconds a call.
fn time<S: Service<Request<()>>>(service: &mut S, request: &Request<()>) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        drop(black_box(now(service.call(request.clone()))));
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

fn auth(store: impl SessionStore) -> DidAuth {
    DidAuth::new(Verifier::new(AUDIENCE)).with_store(store)
}

fn empty() -> Request<()> {
    request("accept", "*/*")
}
