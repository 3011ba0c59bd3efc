//! Whether two threads get in each other's way: what a call costs on each of two threads
//! at a time, beside what it costs on one alone.
//!
//! ```text
//! cargo bench -p tower-didt-benches --bench threads
//! ```
//!
//! Needs two processors. One thread and two take turns in short rounds.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use http::Request;
use tower_didt::sealed::MemoryLedger;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, SealedStore, SealingKeys, Verifier};
use tower_didt_benches::calls::{Bare, Guarded, bearer, pass, signed_in};
use tower_didt_benches::{AUDIENCE, median};
use tower_layer::Layer;

const ROUNDS: usize = 300;
const CALLS: u32 = 2_000;

fn main() {
    let [alice, bob] = ["alice", "bob"].map(|seed| Wallet::from_seed(seed).token(AUDIENCE).mint());
    let memory = DidAuth::new(Verifier::new(AUDIENCE));
    let keys = SealingKeys::generate().expect("randomness");
    let sealed = DidAuth::new(Verifier::new(AUDIENCE))
        .with_store(SealedStore::new(keys, MemoryLedger::new()));
    let cookies = [&alice, &bob].map(|token| signed_in(&memory, token));
    let sealed_cookies = [&alice, &bob].map(|token| signed_in(&sealed, token));
    let tokens = [&alice, &bob].map(|token| bearer(token));
    let same = |pair: &[Request<()>; 2]| [pair[0].clone(), pair[0].clone()];

    println!("{:<44} {:>8} {:>8} {:>6}", "ns a call, with the bare service", "1", "2", "ratio");
    compare("session cookies, memory store", &memory, &cookies);
    compare("one session cookie, memory store", &memory, &same(&cookies));
    compare("session cookies, sealed store", &sealed, &sealed_cookies);
    compare("tokens seen before, memory store", &memory, &tokens);
    compare("one token seen before, memory store", &memory, &same(&tokens));
}

fn compare(name: &str, auth: &DidAuth, requests: &[Request<()>; 2]) {
    let mut first = auth.layer().layer(Bare);
    let mut second = auth.layer().layer(Bare);
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let done = AtomicBool::new(false);
    let (mut alone, mut both, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut times = Vec::new();
            loop {
                start.wait();
                if done.load(Ordering::Relaxed) {
                    return times;
                }
                times.push(time(&mut second, &requests[1]));
                end.wait();
            }
        });
        for _ in 0..ROUNDS {
            alone.push(time(&mut first, &requests[0]));
            start.wait();
            both.push(time(&mut first, &requests[0]));
            end.wait();
        }
        done.store(true, Ordering::Relaxed);
        start.wait();
        let times = other.join().expect("no panic");
        for (both, other) in both.iter_mut().zip(times) {
            *both = f64::midpoint(*both, other);
        }
        ratios.extend(both.iter().zip(&alone).map(|(both, alone)| both / alone));
    });
    let [alone, both, ratio] = [alone, both, ratios].map(median);
    println!("{name:<44} {alone:>8.0} {both:>8.0} {ratio:>6.2}");
}

/// Nanoseconds a call.
fn time(service: &mut Guarded, request: &Request<()>) -> f64 {
    let started = Instant::now();
    for _ in 0..CALLS {
        pass(service, request.clone());
    }
    started.elapsed().as_nanos() as f64 / f64::from(CALLS)
}
