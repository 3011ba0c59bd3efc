//! What remembering many things takes, in time and memory.
//!
//! ```text
//! bench-scale sessions|tokens COUNT
//! ```
//!
//! Fills a store with as many sessions, or a cache of proofs with as many tokens, then
//! times requests that pick one of them at random. Prints
//!
//! ```text
//! COUNT BARE-NS ADDED-NS HEAP-BYTES-EACH RESIDENT-BYTES-EACH MARK-BYTES-EACH
//! ```
//!
//! Resident is what the process has grown by, heap is what was asked of the allocator.
//! The marks of used tokens are counted apart: they live for 15 minutes, not for days.

use std::time::{Duration, Instant};

use http::Request;
use tower_didt::store::{Minted, NewSession, SessionStore, TokenMark, TokenState};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{Address, DidAuth, MemoryStore, NoSessions, Timestamp, Verifier};
use tower_didt_benches::calls::{Bare, bearer, now, pass, request};
use tower_didt_benches::{AUDIENCE, median};
use tower_layer::Layer;
use tower_service::Service;

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// Rounds, and calls in each. Their requests are made outside of what is timed.
const ROUNDS: usize = 200;
const CALLS: usize = 1_000;

/// No limit that is ever reached here.
const AMPLE: u64 = 1 << 36;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_default();
    let count: usize = arguments.next().and_then(|count| count.parse().ok()).expect("a number");
    match what.as_str() {
        "sessions" => sessions(count),
        "tokens" => tokens(count),
        _ => panic!("of what?"),
    }
}

fn sessions(count: usize) {
    let token = Wallet::from_seed("anybody").token(AUDIENCE).issued_at(NOW).mint();
    let claim = Verifier::new(AUDIENCE).verify(token, NOW).expect("a good token");
    // Another end makes another mark: a token of its own for each session.
    let mark = |number: usize| {
        let mut address = [0; 20];
        address[..8].copy_from_slice(&(number as u64).to_be_bytes());
        let mut mark = TokenMark::new(&claim, NOW.plus(Duration::from_secs(900)));
        mark.issuer = Address::from_bytes(address).into();
        mark.usable_until = NOW.plus(Duration::from_millis(900_000 + number as u64));
        mark
    };
    let lifetime = NOW.plus(Duration::from_secs(7 * 24 * 3600));
    let warm_up = MemoryStore::with_limits(AMPLE, count);
    now(warm_up.claim(mark(0), NOW)).expect("an answer");

    let marks = MemoryStore::with_limits(AMPLE, count + 1);
    let of_marks = Growth::of(|| {
        for number in 0..count {
            assert_eq!(now(marks.claim(mark(number), NOW)).expect("an answer"), TokenState::New);
        }
    });
    // Their place is kept: nothing of it is taken for the sessions'.
    let store = MemoryStore::with_limits(AMPLE, count + 1);
    let mut tickets = vec![0_u8; count * TICKET_LEN];
    let of_sessions = Growth::of(|| {
        for (number, place) in tickets.chunks_exact_mut(TICKET_LEN).enumerate() {
            let session = NewSession::new(mark(number), lifetime);
            match now(store.mint(session, NOW)).expect("an answer") {
                Minted::Session { ticket, .. } => {
                    place.copy_from_slice(ticket.expose_secret().as_bytes());
                }
                other => panic!("{other:?}"),
            }
        }
    });
    let auth =
        DidAuth::new(Verifier::new(AUDIENCE)).with_store(store).with_clock(FixedClock::at(NOW));
    let ticket = |number: usize| {
        let ticket = tickets.chunks_exact(TICKET_LEN).nth(number).expect("one of them");
        let ticket = std::str::from_utf8(ticket).expect("ASCII");
        request("cookie", &format!("__Host-didt={ticket}"))
    };
    report(count, &auth, ticket, of_sessions.without(&of_marks, count), of_marks.each(count));
}

/// Characters of the ticket of a session in memory.
const TICKET_LEN: usize = 43;

fn tokens(count: usize) {
    // Two texts of each: signing takes far longer than all the rest.
    let wallet = Wallet::from_seed("anybody");
    let builder = wallet.token(AUDIENCE).issued_at(NOW);
    let tokens: Vec<String> = (0..count).map(|_| builder.mint()).collect();
    let auth = DidAuth::new(Verifier::new(AUDIENCE))
        .with_store(NoSessions)
        .with_clock(FixedClock::at(NOW))
        .with_proof_cache_bytes(AMPLE);
    let mut service = auth.layer().layer(Bare);
    pass(&mut service, bearer(&builder.mint()));
    pass(&mut service, bearer(&builder.mint()));
    let growth = Growth::of(|| {
        for token in &tokens {
            pass(&mut service, bearer(token));
        }
    });
    let request = |number: usize| bearer(&tokens[number]);
    report(count, &auth, request, growth.each(count), (0.0, 0.0));
}

/// Times random requests, and prints the line.
fn report(
    count: usize,
    auth: &DidAuth,
    request: impl Fn(usize) -> Request<()>,
    (heap, resident): (f64, f64),
    (_, mark): (f64, f64),
) {
    let mut dice = 1_u64;
    let mut random = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (dice >> 33) as usize % count
    };
    let mut service = auth.layer().layer(Bare);
    let (mut bare, mut added) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..CALLS).map(|_| request(random())).collect();
        let alone = time(&mut Bare, requests.clone());
        added.push(time(&mut service, requests) - alone);
        bare.push(alone);
    }
    println!("{count} {:.0} {:.0} {heap:.0} {resident:.0} {mark:.0}", median(bare), median(added));
}

/// Nanoseconds a call.
fn time<S>(service: &mut S, requests: Vec<Request<()>>) -> f64
where
    S: Service<Request<()>, Error = std::convert::Infallible>,
    S::Response: tower_didt_benches::calls::Status,
{
    let begin = Instant::now();
    for request in requests {
        pass(service, request);
    }
    begin.elapsed().as_nanos() as f64 / CALLS as f64
}

/// By how many bytes something made memory grow.
struct Growth {
    heap: f64,
    resident: f64,
}

impl Growth {
    fn of(fill: impl FnOnce()) -> Self {
        let before = resident();
        let counted = allocation_counter::measure(fill);
        Self { heap: counted.bytes_current as f64, resident: resident() - before }
    }

    fn each(&self, count: usize) -> (f64, f64) {
        (self.heap / count as f64, self.resident / count as f64)
    }

    fn without(&self, other: &Self, count: usize) -> (f64, f64) {
        let (heap, resident) = self.each(count);
        let (other_heap, other_resident) = other.each(count);
        (heap - other_heap, resident - other_resident)
    }
}

/// Bytes of this process that lie in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kibibytes = line.trim().trim_end_matches("kB").trim();
    1024.0 * kibibytes.parse::<f64>().expect("a number")
}
