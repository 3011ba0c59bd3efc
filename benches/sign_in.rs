//! What becomes of a token that nobody has seen before, step by step, in process.
//!
//! ```text
//! cargo bench -p tower-didt-benches --bench sign_in
//! ```
//!
//! Every token is of another issuer. Each variant gets the same tokens, a batch in turns, and
//! does more than the one above it. Printed are medians over the batches, of the time of a call
//! and of the curve's share of it: while the caches fill, and at last, when for each entry that
//! comes an old one has to go.

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use http::Request;
use tower_didt::token::DidToken;
use tower_didt::{Clock, DidAuth, MemoryStore, NoSessions, SystemClock, Verifier};
use tower_didt_benches::calls::{Bare, Guarded, bearer, pass};
use tower_didt_benches::{AUDIENCE, median, token};
use tower_layer::Layer;

const BATCHES: usize = 600;

/// Batches at either end that are told of. The caches hold some 19,000 tokens.
const TOLD: usize = 150;

const TOKENS: usize = 100;

fn main() {
    let verifier = Verifier::new(AUDIENCE);
    let none = || DidAuth::new(Verifier::new(AUDIENCE)).with_store(NoSessions);
    let mut layers: Vec<(&str, Guarded)> = [
        (
            "layer: a request, nothing kept",
            none().with_proof_cache_bytes(0).with_issuer_cache_bytes(0),
        ),
        ("  and the proof", none().with_issuer_cache_bytes(0)),
        ("  and the issuer's key", none()),
        ("  and a session: a sign-in", none().with_store(MemoryStore::new())),
    ]
    .map(|(name, auth)| (name, auth.layer().layer(Bare)))
    .into();

    let mut names = vec!["curve: the signer of a decoded token", "verifier: a token's text"];
    names.extend(layers.iter().map(|(name, _)| *name));
    let mut times = vec![Vec::new(); names.len()];
    for batch in 0..BATCHES {
        let tokens: Vec<String> =
            (0..TOKENS).map(|number| token(batch * TOKENS + number)).collect();
        let decoded = tokens.iter().map(|token| DidToken::decode(token).expect("a token"));
        let mut batch = vec![
            time(decoded.collect(), |token| token.into_signed().expect("a good token")),
            time(tokens.clone(), |token| {
                verifier.verify(token, SystemClock.now()).expect("a good token")
            }),
        ];
        for (_, service) in &mut layers {
            let requests: Vec<Request<()>> = tokens.iter().map(|token| bearer(token)).collect();
            batch.push(time(requests, |request| pass(service, request)));
        }
        for (times, time) in times.iter_mut().zip(batch) {
            times.push(time);
        }
    }

    println!("{:<38} {:>14} {:>14}", "", "caches filling", "full");
    println!("{:<38} {:>7} {:>6} {:>7} {:>6}", "", "µs", "curve", "µs", "curve");
    for (name, each) in names.into_iter().zip(&times) {
        let of = |told: Range<usize>| {
            let shares = each[told.clone()].iter().zip(&times[0][told.clone()]);
            let shares = shares.map(|(time, curve)| curve / time).collect();
            format!("{:>7.1} {:>6.2}", median(each[told].to_vec()), median(shares))
        };
        println!("{name:<38} {} {}", of(0..TOLD), of(BATCHES - TOLD..BATCHES));
    }
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
