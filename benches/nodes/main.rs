//! Many application nodes in one process: each has a store of its own, with its own copies and its own
//! connections to one real server.
//!
//! ```text
//! bench-nodes redis|postgres URL NODES
//! ```
//!
//! Answers each line of its input with one line, see [`Fleet::answer`]. Everything runs on one thread, so
//! that it takes one processor and leaves the other to the server. Ends when its input does.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep_until};
use tower_didt::store::{Minted, NewSession, SessionStore, TokenMark};
use tower_didt::testing::Wallet;
use tower_didt::{
    Address, Clock, Issuer, PostgresStore, RedisStore, SessionHandle, SystemClock, Timestamp,
    Verifier,
};

/// Room for copies in each node, in bytes.
const COPIES: u64 = 4 * 1024 * 1024;

/// Connections to PostgreSQL by which a node asks; it has one more to listen.
const POSTGRES_CONNECTIONS: usize = 2;

/// After that an answer or a report is taken for lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tokens that are signed beforehand: no more sign-ins are asked for.
const TOKENS: usize = 8_000;

/// As the layer's default.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// In how many parts the time of a storm is told, each second.
const PARTS_A_SECOND: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [server, url, nodes] = arguments.as_slice() else { panic!("redis|postgres URL NODES") };
    let nodes: usize = nodes.parse().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        match server.as_str() {
            "redis" => {
                let mut stores = Vec::new();
                for _ in 0..nodes {
                    let store = RedisStore::builder(url.as_str()).with_local_copies(COPIES);
                    stores.push(store.connect().await.expect("a store"));
                }
                Fleet::new(stores).serve().await;
            }
            "postgres" => {
                let first = PostgresStore::open(url.as_str()).expect("a store");
                first.migrate().await.expect("a schema");
                let mut stores = Vec::new();
                for _ in 0..nodes {
                    let store = PostgresStore::builder(url.as_str())
                        .with_local_copies(COPIES)
                        .with_max_connections(POSTGRES_CONNECTIONS)
                        .with_cleaning_interval(None);
                    let store = store.open().expect("a store");
                    store.ready().await.expect("an answer");
                    stores.push(store);
                }
                drop(first);
                Fleet::new(stores).serve().await;
            }
            other => panic!("no such server: {other}"),
        }
    });
}

#[derive(Clone)]
struct Session {
    ticket: String,
    issuer: Issuer,
    handle: SessionHandle,
    /// The node that made it, and the one that asks for it next.
    home: usize,
    next: usize,
}

struct Fleet<S> {
    nodes: Vec<S>,
    /// Of tokens that were not used yet.
    marks: VecDeque<TokenMark>,
    made: u64,
    /// Those that some nodes have not asked for.
    fresh: VecDeque<Session>,
    /// Those of which every node has a copy.
    warm: VecDeque<Session>,
}

/// What became of many calls of one kind.
#[derive(Default)]
struct Calls {
    times: Vec<Duration>,
    failed: usize,
}

impl Calls {
    fn note(&mut self, time: Duration, went_well: bool) {
        self.times.push(time);
        self.failed += usize::from(!went_well);
    }

    /// `COUNT FAILED P50 P99`, in microseconds.
    fn told(&mut self) -> String {
        self.times.sort_unstable();
        let at = |part: f64| {
            let place =
                ((self.times.len() as f64 * part) as usize).min(self.times.len().saturating_sub(1));
            self.times.get(place).map_or(0, Duration::as_micros)
        };
        format!("{} {} {} {}", self.times.len(), self.failed, at(0.5), at(0.99))
    }
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl<S: SessionStore + Clone + 'static> Fleet<S> {
    fn new(nodes: Vec<S>) -> Self {
        let (wallet, verifier) = (Wallet::from_seed("anybody"), Verifier::new("app"));
        let (builder, until) = (wallet.token("app"), now().plus(Duration::from_secs(900)));
        let marks = (0..TOKENS).map(|_| {
            let claim = verifier.verify(builder.mint(), now()).expect("a good token");
            TokenMark::new(&claim, until)
        });
        let marks = marks.collect();
        Self { nodes, marks, made: 0, fresh: VecDeque::new(), warm: VecDeque::new() }
    }

    async fn serve(mut self) {
        println!("ready");
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await.expect("text") {
            let words: Vec<&str> = line.split(' ').collect();
            let numbers: Vec<usize> =
                words.iter().skip(1).map(|word| word.parse().expect("a number")).collect();
            println!("{}", self.answer(words[0], &numbers).await);
        }
    }

    async fn answer(&mut self, what: &str, numbers: &[usize]) -> String {
        match (what, numbers) {
            // Signs so many in, so many at a time: `SECONDS COUNT FAILED P50 P99`.
            ("sign-ins", [count, at_a_time]) => self.sign_ins(*count, *at_a_time).await,
            // Asks for sessions where there is no copy: likewise.
            ("cold", [count, at_a_time]) => self.cold(*count, *at_a_time).await,
            // Gives every node a copy of so many sessions: `SECONDS`.
            ("warm", [count]) => self.warm(*count).await,
            // Ends so many of those, one after the other: p50 and p99 of the time until the last node
            // refuses it, and p50 and p99 of all nodes' times, in microseconds.
            ("revoke", [count]) => self.revoke(*count).await,
            // For so many seconds, at these rates: sign-ins, look-ups without a copy, revocations of what
            // every node has a copy of. What became of each: `COUNT FAILED P50 P99`.
            ("mix", [seconds, sign_ins, cold, revocations]) => {
                self.mix(*seconds, [*sign_ins, *cold, *revocations]).await
            }
            // At so many requests a second of each node for so many seconds: for each twentieth of a second
            // `HITS/ASKED/FAILED`.
            ("storm", [rate, seconds]) => self.storm(*rate, *seconds).await,
            // Nothing, for so many milliseconds.
            ("idle", [milliseconds]) => {
                tokio::time::sleep(Duration::from_millis(*milliseconds as u64)).await;
                "idle".to_owned()
            }
            other => panic!("{other:?}"),
        }
    }

    /// A session of an issuer who was never here, to be made by one node after the other.
    fn sign_in(&mut self) -> impl Future<Output = Option<Session>> + Send + 'static + use<S> {
        self.made += 1;
        let mut address = [7; 20];
        // Spread as addresses are.
        let spread = self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        address[..8].copy_from_slice(&self.made.to_be_bytes());
        address[12..].copy_from_slice(&spread);
        let mut mark = self.marks.pop_front().expect("enough tokens");
        mark.issuer = Address::from_bytes(address).into();
        let home = self.made as usize % self.nodes.len();
        let minting = self.nodes[home].mint(NewSession::new(mark, now().plus(LIFETIME)), now());
        let next = (home + 1) % self.nodes.len();
        async move {
            match minting.await {
                Ok(Minted::Session { ticket, record }) => Some(Session {
                    ticket: ticket.expose_secret().to_owned(),
                    issuer: record.issuer,
                    handle: record.handle,
                    home,
                    next,
                }),
                _ => None,
            }
        }
    }

    /// A look-up at a node that has no copy. (The node that made a session has none either.)
    fn look_up(&mut self) -> Option<impl Future<Output = bool> + Send + 'static + use<S>> {
        let mut session = self.fresh.pop_front()?;
        let loading = self.nodes[session.next].load(&session.ticket, now());
        let was_cold = loading.try_now();
        session.next = (session.next + 1) % self.nodes.len();
        // Once around; then it is as good as warm, and is left alone.
        if session.next != (session.home + 1) % self.nodes.len() {
            self.fresh.push_back(session);
        }
        Some(async move {
            match was_cold {
                Err(loading) => matches!(loading.await, Ok(Some(_))),
                Ok(_) => false,
            }
        })
    }

    async fn sign_ins(&mut self, count: usize, at_a_time: usize) -> String {
        let begin = Instant::now();
        let mut calls = Calls::default();
        let mut tasks: JoinSet<(Duration, Option<Session>)> = JoinSet::new();
        for number in 0..count + at_a_time {
            if number >= at_a_time
                && let Some(done) = tasks.join_next().await
            {
                let (time, session) = done.expect("no panic");
                calls.note(time, session.is_some());
                self.fresh.extend(session);
            }
            if number < count {
                tasks.spawn_timed(self.sign_in());
            }
        }
        format!("{} {}", begin.elapsed().as_secs_f64(), calls.told())
    }

    async fn cold(&mut self, count: usize, at_a_time: usize) -> String {
        let begin = Instant::now();
        let mut calls = Calls::default();
        let mut tasks: JoinSet<(Duration, bool)> = JoinSet::new();
        for number in 0..count + at_a_time {
            if number >= at_a_time
                && let Some(done) = tasks.join_next().await
            {
                let (time, went_well) = done.expect("no panic");
                calls.note(time, went_well);
            }
            if number < count {
                tasks.spawn_timed(self.look_up().expect("enough sessions"));
            }
        }
        format!("{} {}", begin.elapsed().as_secs_f64(), calls.told())
    }

    async fn warm(&mut self, count: usize) -> String {
        let begin = Instant::now();
        for _ in 0..count {
            let Some(session) = self.fresh.pop_front() else { return "too few".to_owned() };
            self.warm_up(&session).await;
            self.warm.push_back(session);
        }
        begin.elapsed().as_secs_f64().to_string()
    }

    async fn warm_up(&self, session: &Session) {
        // One thread plays all nodes: answers may come too late for their own time limit.
        let end = Instant::now() + PATIENCE;
        loop {
            let mut tasks = JoinSet::new();
            for node in &self.nodes {
                if let Err(loading) = node.load(&session.ticket, now()).try_now() {
                    tasks.spawn(loading);
                }
            }
            let mut late = 0;
            while let Some(done) = tasks.join_next().await {
                late += usize::from(!matches!(done, Ok(Ok(Some(_)))));
            }
            if late == 0 {
                return;
            }
            assert!(Instant::now() < end, "{late} nodes get no answer");
        }
    }

    fn has_copy(&self, node: usize, session: &Session) -> bool {
        matches!(self.nodes[node].load(&session.ticket, now()).try_now(), Ok(Ok(Some(_))))
    }

    async fn revoke(&mut self, count: usize) -> String {
        let (mut all, mut last) = (Calls::default(), Calls::default());
        for number in 0..count {
            let Some(session) = self.warm.pop_front() else { return "too few".to_owned() };
            // An issuer whose counter another one shares.
            self.warm_up(&session).await;
            let home = number % self.nodes.len();
            let begin = Instant::now();
            let revoking = self.nodes[home].revoke(session.issuer, session.handle, now());
            let revoking = tokio::spawn(revoking);
            let mut waiting: Vec<usize> =
                (0..self.nodes.len()).filter(|node| *node != home).collect();
            let end = begin + PATIENCE;
            while !waiting.is_empty() && Instant::now() < end {
                tokio::task::yield_now().await;
                waiting.retain(|node| {
                    let has_copy = self.has_copy(*node, &session);
                    if !has_copy {
                        all.note(begin.elapsed(), true);
                    }
                    has_copy
                });
            }
            last.note(begin.elapsed(), true);
            // One thread plays all nodes: an answer may come too late for its own time limit, and be there
            // all the same.
            let answer = revoking.await.expect("no panic");
            assert!(waiting.is_empty(), "a revocation did not reach all nodes: {answer:?}");
        }
        let (mut last, mut all) = (last.told(), all.told());
        for told in [&mut last, &mut all] {
            *told = told.split(' ').skip(2).collect::<Vec<_>>().join(" ");
        }
        format!("{last} {all}")
    }

    async fn mix(&mut self, seconds: usize, rates: [usize; 3]) -> String {
        let begin = tokio::time::Instant::now();
        let (mut done, mut calls) = ([0_usize; 3], [(); 3].map(|()| Calls::default()));
        let mut tasks: JoinSet<(usize, Duration, bool, Option<Session>)> = JoinSet::new();
        let mut made = Vec::new();
        for tick in 1..=seconds * 1000 {
            for (kind, rate) in rates.iter().enumerate() {
                while done[kind] < rate * tick / 1000 {
                    done[kind] += 1;
                    let started = Instant::now();
                    match kind {
                        0 => {
                            let minting = self.sign_in();
                            tasks.spawn(async move {
                                let session = minting.await;
                                (0, started.elapsed(), session.is_some(), session)
                            });
                        }
                        1 => {
                            let loading = self.look_up().expect("enough sessions");
                            tasks.spawn(async move {
                                let went_well = loading.await;
                                (1, started.elapsed(), went_well, None)
                            });
                        }
                        _ => {
                            let session = self.warm.pop_front().expect("enough warm sessions");
                            let home = done[kind] % self.nodes.len();
                            let node = &self.nodes[home];
                            let revoking = node.revoke(session.issuer, session.handle, now());
                            tasks.spawn(async move {
                                let went_well = matches!(revoking.await, Ok(true));
                                (2, started.elapsed(), went_well, None)
                            });
                        }
                    }
                }
            }
            while let Some(ended) = tasks.try_join_next() {
                let (kind, time, went_well, session) = ended.expect("no panic");
                calls[kind].note(time, went_well);
                made.extend(session);
            }
            sleep_until(begin + Duration::from_millis(tick as u64)).await;
        }
        while let Some(ended) = tasks.join_next().await {
            let (kind, time, went_well, session) = ended.expect("no panic");
            calls[kind].note(time, went_well);
            made.extend(session);
        }
        self.fresh.extend(made);
        calls.map(|mut calls| calls.told()).join(" ")
    }

    async fn storm(&mut self, rate: usize, seconds: usize) -> String {
        const TICK: usize = 5;
        let parts = seconds * PARTS_A_SECOND as usize;
        let (mut hits, mut asked, mut failed) = (vec![0; parts], vec![0; parts], vec![0; parts]);
        let begin = Instant::now();
        let part = |time: Instant| {
            let part = (time - begin).as_millis() as u64 * PARTS_A_SECOND / 1000;
            (part as usize).min(parts - 1)
        };
        let mut tasks: JoinSet<(usize, bool)> = JoinSet::new();
        let mut ticks = interval(Duration::from_millis(TICK as u64));
        let (mut sent, mut dice) = (0_usize, 1_u64);
        while begin.elapsed() < Duration::from_secs(seconds as u64) {
            ticks.tick().await;
            let due = begin.elapsed().as_millis() as usize * rate / 1000;
            while sent < due {
                sent += 1;
                let at = part(Instant::now());
                for node in &self.nodes {
                    dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let session = &self.warm[(dice >> 33) as usize % self.warm.len()];
                    match node.load(&session.ticket, now()).try_now() {
                        Ok(Ok(Some(_))) => hits[at] += 1,
                        Ok(_) => failed[at] += 1,
                        Err(loading) => {
                            tasks.spawn(async move { (at, matches!(loading.await, Ok(Some(_)))) });
                        }
                    }
                }
            }
            while let Some(ended) = tasks.try_join_next() {
                let (at, went_well) = ended.expect("no panic");
                if went_well { asked[at] += 1 } else { failed[at] += 1 }
            }
        }
        while let Some(ended) = tasks.join_next().await {
            let (at, went_well) = ended.expect("no panic");
            if went_well { asked[at] += 1 } else { failed[at] += 1 }
        }
        let told = (0..parts).map(|at| format!("{}/{}/{}", hits[at], asked[at], failed[at]));
        told.collect::<Vec<_>>().join(" ")
    }
}

/// Calls whose time is taken.
trait Timed<T> {
    fn spawn_timed(&mut self, call: impl Future<Output = T> + Send + 'static);
}

impl<T: Send + 'static> Timed<T> for JoinSet<(Duration, T)> {
    fn spawn_timed(&mut self, call: impl Future<Output = T> + Send + 'static) {
        let begin = Instant::now();
        self.spawn(async move {
            let done = call.await;
            (begin.elapsed(), done)
        });
    }
}
