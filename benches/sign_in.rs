//! What becomes of a token that nobody has seen before, step by step, in process.
//!
//! ```text
//! cargo bench -p tower-didt-benches --bench sign_in
//! ```
//!
//! Every token is of another issuer. Each variant gets the same tokens, a batch in turns, and
//! does more than the one above it. Printed are medians over the batches.

use std::hint::black_box;
use std::time::Instant;

use http::Request;
use tower_didt::testing::Wallet;
use tower_didt::{Clock, DidAuth, MemoryStore, NoSessions, SystemClock, Verifier};
use tower_didt_benches::calls::{Bare, Guarded, bearer, pass};
use tower_didt_benches::{AUDIENCE, median};
use tower_layer::Layer;

const BATCHES: usize = 150;
const TOKENS: usize = 100;

fn main() {
    let by_hand = Verifier::new(AUDIENCE);
    let none = || DidAuth::new(Verifier::new(AUDIENCE)).with_store(NoSessions);
    let mut layers: Vec<(&str, Guarded)> = [
        ("layer, nothing kept", none().with_proof_cache_bytes(0).with_issuer_cache_bytes(0)),
        ("  and the proof", none().with_issuer_cache_bytes(0)),
        ("  and the issuer's key", none()),
        ("  and a session: a sign-in", none().with_store(MemoryStore::new())),
    ]
    .map(|(name, auth)| (name, auth.layer().layer(Bare)))
    .into();

    let mut verifying = Vec::new();
    let mut passing = vec![Vec::new(); layers.len()];
    for batch in 0..BATCHES {
        let tokens: Vec<String> =
            (0..TOKENS).map(|token| mint(batch * TOKENS + token)).collect();
        verifying.push(time(tokens.clone(), |token| {
            by_hand.verify(token, SystemClock.now()).expect("a good token")
        }));
        for ((_, service), times) in layers.iter_mut().zip(&mut passing) {
            let requests: Vec<Request<()>> = tokens.iter().map(|token| bearer(token)).collect();
            times.push(time(requests, |request| pass(service, request)));
        }
    }

    let base = median(verifying.clone());
    println!("{:<30} {:>8} {:>8} {:>7}", "", "µs", "more", "ratio");
    println!("{:<30} {:>8.2} {:>8} {:>7.3}", "verifier alone", base, "", 1.0);
    for ((name, _), times) in layers.into_iter().zip(passing) {
        let more = times.iter().zip(&verifying).map(|(time, base)| time - base).collect();
        let ratios = times.iter().zip(&verifying).map(|(time, base)| time / base).collect();
        println!(
            "{name:<30} {:>8.2} {:>8.2} {:>7.3}",
            median(times),
            median(more),
            median(ratios)
        );
    }
}

fn mint(seed: usize) -> String {
    Wallet::from_seed(seed.to_string()).token(AUDIENCE).mint()
}

/// Microseconds a call.
fn time<I, T>(inputs: Vec<I>, mut run: impl FnMut(I) -> T) -> f64 {
    let count = inputs.len();
    let started = Instant::now();
    for input in inputs {
        black_box(run(black_box(input)));
    }
    started.elapsed().as_secs_f64() * 1e6 / count as f64
}
