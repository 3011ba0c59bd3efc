//! Sessions in this process's memory, at times of our choice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tower_didt::layer::DidService;
use tower_didt::store::{Minted, NewSession, PageRequest, SessionStore, TokenMark};
use tower_didt::{Address, Issuer, MemoryStore, SessionHandle, SessionLimit, Timestamp};
use tower_didt_benches::calls::{Bare, now, pass};
use tower_didt_benches::median;

use crate::figures::{Dice, Times, resident, value};
use crate::steps::{LIFETIME, cookie, service, token};

const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

/// No limit that is ever reached here.
const AMPLE: u64 = 1 << 36;

/// Over how long the sessions begin: less than they live.
const BEGIN_WITHIN: Duration = Duration::from_secs(6 * 24 * 3600);

/// Used tokens that are remembered by default.
const DEFAULT_USED_TOKENS: usize = 256 * 1024;

/// Rounds of requests, and requests in each.
const ROUNDS: usize = 200;
const CALLS: usize = 1_000;

/// Sessions whose users are here at the moment.
const HERE: u64 = 1_000;

/// Tokens, each of another issuer; all of one signature, since nobody checks it here.
struct Marks(TokenMark);

impl Marks {
    fn new() -> Self {
        Self(token("anybody", NOW))
    }

    fn mark(&self, number: u64, at: Timestamp) -> TokenMark {
        let mut mark = self.0;
        mark.issuer = issuer(number);
        mark.issued_at = at;
        mark.usable_until = at.plus(Duration::from_secs(900));
        mark
    }

    fn session(&self, number: u64, at: Timestamp) -> NewSession {
        NewSession::new(self.mark(number, at), at.plus(LIFETIME))
    }
}

/// Spread evenly, as addresses are (SplitMix64).
fn issuer(number: u64) -> Issuer {
    let mut address = [0; Address::LEN];
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    address[..8].copy_from_slice(&(bits ^ bits >> 31).to_be_bytes());
    Address::from_bytes(address).into()
}

/// Of each session its cookie's value and its handle, in little room.
#[derive(Default)]
struct Made {
    tickets: Vec<u8>,
    handles: Vec<SessionHandle>,
}

impl Made {
    const TICKET_LEN: usize = 43;

    fn with_capacity(count: u64) -> Self {
        let count = usize::try_from(count).expect("fits");
        let mut made = Self { tickets: vec![0; count * Self::TICKET_LEN], handles: Vec::new() };
        // Its pages are there before growth is measured.
        made.handles = vec![SessionHandle::from_bytes([1; 32]); count];
        made.tickets.fill(1);
        made.tickets.clear();
        made.handles.clear();
        made
    }

    fn add(&mut self, minted: Minted) {
        match minted {
            Minted::Session { ticket, record } => {
                self.tickets.extend(ticket.expose_secret().as_bytes());
                self.handles.push(record.handle);
            }
            other => panic!("{other:?}"),
        }
    }

    fn ticket(&self, number: u64) -> &str {
        let from = number as usize * Self::TICKET_LEN;
        std::str::from_utf8(&self.tickets[from..from + Self::TICKET_LEN]).expect("ASCII")
    }
}

fn mint(store: &MemoryStore, session: NewSession, at: Timestamp) -> Minted {
    now(store.mint(session, at)).expect("an answer")
}

/// Microseconds of a request, of those that pick from these sessions.
fn requests(service: &mut DidService<Bare>, made: &Made, mut number: impl FnMut() -> u64) -> f64 {
    let mut means = Vec::new();
    for _ in 0..ROUNDS {
        let requests: Vec<_> = (0..CALLS).map(|_| cookie(made.ticket(number()))).collect();
        let alone = time(&mut Bare, requests.clone());
        means.push(time(service, requests) - alone);
    }
    median(means)
}

fn time<S>(service: &mut S, requests: Vec<http::Request<()>>) -> f64
where
    S: tower_service::Service<http::Request<()>, Error = std::convert::Infallible>,
    S::Response: tower_didt_benches::calls::Status,
{
    let begin = Instant::now();
    for request in requests {
        pass(service, request);
    }
    begin.elapsed().as_secs_f64() * 1e6 / CALLS as f64
}

/// So many sessions, begun evenly over six days.
pub(crate) fn growth(count: u64) {
    let marks = Marks::new();
    let store = MemoryStore::with_limits(AMPLE, DEFAULT_USED_TOKENS);
    let mut made = Made::with_capacity(count + 20_000);
    let at = |number: u64| NOW.plus(BEGIN_WITHIN.mul_f64(number as f64 / count as f64));
    let mut filling = Times::with_capacity(count);
    let before = resident();
    let heap = allocation_counter::measure(|| {
        for number in 0..count {
            let session = marks.session(number, at(number));
            let minted = filling.time(|| mint(&store, session, at(number)));
            made.add(minted);
        }
    });
    value("memory", count, "bytes, heap", heap.bytes_current as f64 / count as f64);
    // The times of filling are 16 bytes each.
    value("memory", count, "bytes, resident", (resident() - before) / count as f64 - 16.0);
    filling.print("memory", count, "sign-in, while it grew");

    let (mut dice, end) = (Dice::new(), NOW.plus(BEGIN_WITHIN));
    let mut service = service(store.clone(), end);
    let of_all = requests(&mut service, &made, || dice.below(count));
    value("memory", count, "request", of_all);
    let here: Vec<_> = (0..HERE.min(count)).map(|_| dice.below(count)).collect();
    let mut next = here.iter().cycle();
    let of_few = requests(&mut service, &made, || *next.next().expect("some"));
    value("memory", count, "request, a thousand of them", of_few);

    let (calls, mut times) = (10_000.min(count / 4), Times::default());
    for number in count..count + 10_000 {
        let session = marks.session(number, end);
        made.add(times.time(|| mint(&store, session, end)));
    }
    times.print("memory", count, "sign-in");
    let mut times = Times::default();
    for _ in 0..calls {
        let issuer = issuer(dice.below(count));
        let page = times.time(|| now(store.sessions_of(issuer, PageRequest::first(), end)));
        assert_eq!(page.expect("an answer").sessions.len(), 1);
    }
    times.print("memory", count, "list");
    let mut ended = std::collections::HashSet::new();
    let mut other = || {
        loop {
            let number = dice.below(count);
            if ended.insert(number) {
                return number;
            }
        }
    };
    let mut times = Times::default();
    for _ in 0..calls {
        let number = other();
        let (issuer, handle) = (issuer(number), made.handles[number as usize]);
        assert!(times.time(|| now(store.revoke(issuer, handle, end))).expect("an answer"));
    }
    times.print("memory", count, "revocation");
    let mut times = Times::default();
    // Not in the very instant in which ten thousand tokens were issued.
    let end = end.plus(Duration::from_secs(1));
    for _ in 0..calls {
        let number = other();
        times.time(|| now(store.revoke_all(issuer(number), end))).expect("an answer");
        assert!(now(store.load(made.ticket(number), end)).expect("an answer").is_none());
    }
    times.print("memory", count, "revocation of all");
}

/// So many sessions that end in the same minute, with the marks of as many tokens.
pub(crate) fn storm(count: u64) {
    let marks = Marks::new();
    let store = MemoryStore::with_limits(AMPLE, 2 * count as usize);
    let (living, mut dice) = (10_000, Dice::new());
    let (mut made, mut all) = (Made::default(), 0_i64);
    let filled = allocation_counter::measure(|| {
        for number in 0..count {
            let mut session = marks.session(number, NOW);
            session.expires_at = NOW.plus(Duration::from_millis(86_400_000 + dice.below(60_000)));
            mint(&store, session, NOW);
        }
    });
    all += filled.bytes_current;
    let later = NOW.plus(Duration::from_secs(86_460));
    for number in 0..living {
        // They live on.
        let mut session = marks.session(count + number, NOW);
        session.expires_at = later.plus(LIFETIME);
        made.add(mint(&store, session, NOW));
    }
    value("memory", count, "storm: bytes held", all as f64);
    let before = requests(&mut service(store.clone(), NOW), &made, || dice.below(living));
    let mut service = service(store.clone(), later);
    let after = requests(&mut service, &made, || dice.below(living));
    value("memory", count, "storm: request, before", before);
    value("memory", count, "storm: request, when all have ended", after);
    let (mut first, mut times, mut begun) = (Times::default(), Times::with_capacity(3 * count), 0);
    let session = marks.session(2 * count, later);
    first.time(|| mint(&store, session, later));
    first.print("memory", count, "storm: the first sign-in after it");
    // Until they give no more back than they take.
    loop {
        let chunk = allocation_counter::measure(|| {
            for _ in 0..10_000 {
                begun += 1;
                let session = marks.session(2 * count + begun, later);
                times.time(|| mint(&store, session, later));
            }
        });
        if chunk.bytes_current > 0 || begun > 2 * count {
            break;
        }
    }
    times.print("memory", count, "storm: sign-in");
    value("memory", count, "storm: sign-ins until all are gone", begun as f64);
}

/// One issuer with so many sessions, and others who sign in on another thread meanwhile.
pub(crate) fn crowd(count: u64) {
    let marks = Marks::new();
    let store = MemoryStore::with_limits(AMPLE, 2 * count as usize);
    let second = |number: u64| NOW.plus(Duration::from_millis(number));
    // All of one issuer, each token issued at its own time.
    let session = |number: u64, limit| {
        let mut session = marks.session(0, second(number)).with_limit(limit);
        session.token.issuer = issuer(0);
        session
    };
    let mut made = Made::default();
    for number in 0..count {
        made.add(mint(&store, session(number, SessionLimit::Unlimited), second(number)));
    }
    let (mut end, mut dice) = (second(count), Dice::new());
    let mut service = service(store.clone(), end);
    let request = requests(&mut service, &made, || dice.below(count));
    value("memory", count, "crowd: request", request);
    let (mut times, mut page) = (Times::default(), PageRequest::first());
    for _ in 0..500 {
        let answer = times.time(|| now(store.sessions_of(issuer(0), page, end)));
        page = PageRequest::after(answer.expect("an answer").next.expect("more"));
    }
    times.print("memory", count, "crowd: a page of the list");
    let mut times = Times::default();
    for handle in &made.handles[..500] {
        assert!(times.time(|| now(store.revoke(issuer(0), *handle, end))).expect("an answer"));
    }
    times.print("memory", count, "crowd: revocation");
    for (limit, what) in [
        (SessionLimit::Unlimited, "crowd: sign-in, no limit"),
        (SessionLimit::Default, "crowd: sign-in, a limit of 256"),
    ] {
        let mut times = Times::default();
        for _ in 0..100 {
            end = end.plus(Duration::from_millis(1));
            let mut session = session(0, limit);
            session.token.issued_at = end;
            made.add(times.time(|| mint(&store, session, end)));
        }
        times.print("memory", count, what);
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let (mut times, mut number) = (Times::default(), 1);
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                let session = marks.session(number, end);
                times.time(|| mint(&store, session, end));
            }
            times
        });
        std::thread::sleep(Duration::from_millis(20));
        let mut times = Times::default();
        times.time(|| now(store.revoke_all(issuer(0), end))).expect("an answer");
        std::thread::sleep(Duration::from_millis(20));
        stop.store(true, Ordering::Relaxed);
        times.print("memory", count, "crowd: revocation of all");
        let others = others.join().expect("no panic");
        others.print("memory", count, "crowd: sign-ins of others meanwhile");
    });
    let page = now(store.sessions_of(issuer(0), PageRequest::first(), end));
    assert!(page.expect("an answer").sessions.is_empty());
}

/// So many issuers who are signed out everywhere, one after the other.
pub(crate) fn revoked(count: u64) {
    for (limit, name) in [(DEFAULT_USED_TOKENS, "by default"), (2 * count as usize, "room for all")]
    {
        let store = MemoryStore::with_limits(AMPLE, limit);
        let (marks, mut made) = (Marks::new(), Made::default());
        let living = 10_000;
        for number in 0..living {
            made.add(mint(&store, marks.session(number, NOW), NOW));
        }
        let mut dice = Dice::new();
        let (mut times, mut between) = (Times::with_capacity(count), Times::with_capacity(count));
        let mut service = service(store.clone(), NOW);
        let before = resident();
        let counted = allocation_counter::measure(|| {
            for number in 0..count {
                let at = NOW.plus(Duration::from_micros(number));
                let issuer = issuer(living + number);
                times.time(|| now(store.revoke_all(issuer, at))).expect("an answer");
                if number % 100 == 0 {
                    let request = cookie(made.ticket(dice.below(living)));
                    between.time(|| pass(&mut service, request));
                }
            }
        });
        let heap = counted.bytes_current as f64 / count as f64;
        value("memory", count, &format!("revoked, {name}: bytes, heap"), heap);
        // The times are 16 bytes each.
        let resident = (resident() - before) / count as f64 - 16.0;
        value("memory", count, &format!("revoked, {name}: bytes, resident"), resident);
        times.print("memory", count, &format!("revoked, {name}: revocation of all"));
        between.print("memory", count, &format!("revoked, {name}: request meanwhile"));
        let mut times = Times::default();
        for number in 0..10_000 {
            let session = marks.session(1 << 40 | number, NOW.plus(Duration::from_secs(10)));
            times.time(|| mint(&store, session, NOW.plus(Duration::from_secs(10))));
        }
        times.print("memory", count, &format!("revoked, {name}: sign-in after it"));
    }
}
