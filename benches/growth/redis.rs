//! Sessions in a Redis server of our own.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tower_didt::store::{NewSession, SessionData, SessionStore};
use tower_didt::testing::Wallet;
use tower_didt::{Clock, Issuer, RedisStore, SessionHandle, SessionRecord, SystemClock, Timestamp};
use tower_didt_test_support::redis::Server;

use crate::figures::{Dice, Times, value};
use crate::filled::Filled;
use crate::steps::{Crowd, LIFETIME, Measured, Picker, cookie, made, pass, service, session};

/// How much longer than it lives a session is kept, by the store.
const MARGIN: Duration = Duration::from_secs(300);

/// What Redis may take.
const MAX_BYTES: f64 = 8e9;

/// For answers amid a storm.
const PATIENCE: Duration = Duration::from_secs(10);

/// The commands that leave what a sign-in leaves, of so many sessions, all sent before their answers
/// are read.
struct Filling {
    output: BufWriter<TcpStream>,
    answers: std::thread::JoinHandle<u64>,
    sent: u64,
}

impl Filling {
    fn begin(server: &Server, database: u8) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port)).expect("a connection");
        let input = stream.try_clone().expect("a connection");
        let answers = std::thread::spawn(move || {
            let mut count = 0;
            for line in BufReader::with_capacity(1 << 16, input).lines() {
                let line = line.expect("an answer");
                assert!(!line.starts_with('-'), "{line}");
                count += 1;
                if line == "+PONG" {
                    break;
                }
            }
            count
        });
        let mut filling =
            Self { output: BufWriter::with_capacity(1 << 16, stream), answers, sent: 0 };
        filling.send(&["SELECT", &database.to_string()]);
        filling
    }

    fn send(&mut self, words: &[&str]) {
        self.sent += 1;
        write!(self.output, "*{}\r\n", words.len()).expect("sent");
        for word in words {
            write!(self.output, "${}\r\n{word}\r\n", word.len()).expect("sent");
        }
    }

    /// A session, the issuer's latest.
    fn add(&mut self, issuer: Issuer, handle: SessionHandle, now: Timestamp, ends: Timestamp) {
        let tag = format!("didt:{{{}}}", issuer.address().to_string().to_lowercase());
        let record = SessionRecord::new(handle, issuer, now, ends, SessionData::NONE);
        let json = serde_json::to_string(&record).expect("JSON");
        let seconds = |time: Timestamp| time.as_secs_f64().to_string();
        let number = (now.as_secs_f64() * 1e6) as u64;
        let text = format!("1 {number} {} {} {json}", seconds(ends), seconds(now));
        let (sessions, index) = (format!("{tag}:s"), format!("{tag}:i"));
        let handle = handle.to_string();
        let number = number.to_string();
        self.send(&["HSET", &sessions, "#", &format!("{number} 32"), &handle, &text]);
        self.send(&["ZADD", &index, &number, &handle]);
        let kept = (ends.since(now) + MARGIN).as_millis().to_string();
        self.send(&["PEXPIRE", &sessions, &kept]);
        self.send(&["PEXPIRE", &index, &kept]);
    }

    fn finish(mut self) {
        self.send(&["PING"]);
        self.output.flush().expect("sent");
        assert_eq!(self.answers.join().expect("no panic"), self.sent);
    }
}

fn fill(server: &Server, numbers: std::ops::Range<u64>, now: Timestamp) {
    let mut filling = Filling::begin(server, 0);
    for number in numbers {
        let filled = Filled(number);
        filling.add(filled.issuer(), filled.handle(), now, now.plus(LIFETIME));
    }
    filling.finish();
}

/// What is filled in equals what the store leaves, to the byte (of Redis' own `DUMP`).
async fn prove(server: &Server, store: &RedisStore, now: Timestamp) {
    let session = session("proof", now);
    let (token, ends) = (session.token, session.expires_at);
    let (_, record) = made(store.mint(session, now).await.expect("an answer"));
    let mut filling = Filling::begin(server, 1);
    filling.add(token.issuer, record.handle, now, ends);
    filling.finish();
    let tag = format!("didt:{{{}}}", token.issuer.address().to_string().to_lowercase());
    for kind in ["s", "i"] {
        let key = format!("{tag}:{kind}");
        let dump = |database: &str| server.cli(&["-n", database, "DUMP", &key]);
        assert!(dump("0").len() > 50, "{kind} is there");
        assert_eq!(dump("0"), dump("1"), "{kind}");
        let life = |database: &str| -> i64 {
            server.cli(&["-n", database, "PTTL", &key]).parse().expect("a life")
        };
        assert!(life("0").abs_diff(life("1")) < 2_000, "{kind}");
    }
    server.cli(&["-n", "1", "FLUSHDB"]);
    let marks =
        server.cli(&["EVAL", "return redis.call('KEYS', ARGV[1])", "0", &format!("{tag}:t:*")]);
    let bytes = server.cli(&["MEMORY", "USAGE", &marks]);
    value("redis", 0, "bytes, mark of a used token", bytes.parse().expect("a number"));
}

fn info(server: &Server, section: &str, field: &str) -> f64 {
    let info = server.cli(&["INFO", section]);
    let line = info.lines().find_map(|line| line.trim().strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{field} in {info}")).parse().expect("a number")
}

fn used(server: &Server) -> f64 {
    info(server, "memory", "used_memory")
}

fn store(server: &Server, copies: bool) -> RedisStore {
    let builder = RedisStore::builder(server.url()).with_timeout(PATIENCE);
    let builder = if copies { builder } else { builder.with_local_copies(0) };
    builder.open().expect("a store")
}

/// 10³ sessions, then ten times as many, up to so many.
pub(crate) async fn growth(up_to: u64) {
    let server = Server::start();
    let (hot, cold) = (store(&server, true), store(&server, false));
    let now = SystemClock.now();
    let empty = used(&server);
    let (mut filled, mut count, mut picker) = (0, 1_000, Picker::new());
    while count <= up_to {
        let expected = if filled < 100_000 { 0.0 } else { (used(&server) - empty) / filled as f64 };
        if expected * count as f64 > MAX_BYTES {
            count = (MAX_BYTES / expected / 1e6) as u64 * 1_000_000;
        }
        let begin = Instant::now();
        fill(&server, filled..count, now);
        eprintln!("filled up to {count} in {:.1?}", begin.elapsed());
        filled = count;
        // Those that were signed in and out before are a few hundred.
        value("redis", count, "bytes, used_memory", (used(&server) - empty) / count as f64);
        let resident = info(&server, "memory", "used_memory_rss");
        value("redis", count, "bytes, resident", resident / count as f64);
        if count == 1_000 {
            prove(&server, &cold, now).await;
        }
        let around = |what: Option<&str>| match what {
            None => drop(server.cli(&["CONFIG", "RESETSTAT"])),
            Some(what) => report_calls(&server, count, what),
        };
        let (hot, cold) = (&hot, &cold);
        let picker = &mut picker;
        Measured { name: "redis", count, hot, cold, now, picker, around: &around }.all().await;
        count *= 10;
    }
}

/// What Redis itself took for each of the calls, by its own account.
fn report_calls(server: &Server, count: u64, what: &str) {
    let stats = server.cli(&["INFO", "commandstats"]);
    let of = |command: &str| -> Option<(f64, f64)> {
        let line = stats.lines().find_map(|line| line.strip_prefix(command))?;
        let field = |name: &str| -> Option<f64> {
            line.split([':', ',']).find_map(|part| part.strip_prefix(name))?.parse().ok()
        };
        Some((field("calls=")?, field("usec=")?))
    };
    // A request is one command, all else a script.
    let command = if what.starts_with("request") { "cmdstat_hget" } else { "cmdstat_evalsha" };
    if let Some((calls, micros)) = of(command) {
        value("redis", count, &format!("{what}: Redis' own µs"), micros / calls);
    }
}

/// So many sessions that end within the same minute, beside some that live. Redis looks for keys that
/// have expired so many times a second; 10 is its default.
pub(crate) async fn storm(count: u64, hz: u32) {
    let server = Server::with(&["--appendonly", "no", "--hz", &hz.to_string()]);
    let storm = if hz == 10 { "storm".to_owned() } else { format!("storm, hz {hz}") };
    let store = store(&server, false);
    let (now, mut dice, living) = (SystemClock.now(), Dice::new(), 10_000);
    fill(&server, 0..living, now);
    let before = used(&server);
    // Redis' clock is the machine's, so that the storm begins a while after all are there.
    let (begin, lead) = (Instant::now(), Duration::from_secs(20 + count / 50_000));
    let mut filling = Filling::begin(&server, 0);
    for number in living..living + count {
        let filled = Filled(number);
        let ends = lead.saturating_sub(begin.elapsed()) + Duration::from_millis(dice.below(60_000));
        // Kept for as long as it lives and a margin, so: made before.
        let made = now.minus(MARGIN);
        filling.add_kept(filled, made, now.plus(ends), ends);
    }
    filling.finish();
    eprintln!("filled in {:.1?} of {lead:?}", begin.elapsed());
    value("redis", count, &format!("{storm}: bytes held"), used(&server) - before);
    let mut service = service(store.clone(), now);
    let mut phases = [(); 3].map(|()| (Times::default(), Times::default()));
    let (mut looked, mut gone_after) = (Instant::now(), None);
    let mut number = 0;
    loop {
        let at = begin.elapsed();
        let phase = match at.checked_sub(lead) {
            None => 0,
            Some(since) if since < Duration::from_secs(60) || gone_after.is_none() => 1,
            Some(_) => 2,
        };
        let filled = Filled(dice.below(living));
        let request = cookie(&filled.ticket(filled.issuer()));
        phases[phase].0.await_(pass(&mut service, request)).await;
        if number % 10 == 0 {
            let new = sign_in_of(number, now);
            phases[phase].1.await_(store.mint(new, now)).await.expect("an answer");
        }
        number += 1;
        if looked.elapsed() > Duration::from_secs(1) && phase > 0 {
            looked = Instant::now();
            // Of each living session two keys, of each sign-in three.
            let others = 2 * living + 3 * (number / 10 + 1);
            let left = info_keys(&server).saturating_sub(others);
            eprintln!("{:.0?}: {left} keys left", at - lead);
            if left == 0 && gone_after.is_none() {
                gone_after = Some(at - lead);
            }
        }
        if gone_after.is_some_and(|gone| at > lead + gone + Duration::from_secs(3)) {
            break;
        }
        assert!(at < lead + Duration::from_secs(200), "they do not go");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for ((requests, sign_ins), when) in phases.into_iter().zip(["before", "meanwhile", "after"]) {
        requests.print("redis", count, &format!("{storm}: request, cold, {when}"));
        sign_ins.print("redis", count, &format!("{storm}: sign-in, {when}"));
    }
    let gone = gone_after.expect("gone").as_secs_f64() - 60.0;
    value(
        "redis",
        count,
        &format!("{storm}: seconds from the last end until all are gone"),
        gone.max(0.0),
    );
    value("redis", count, &format!("{storm}: bytes held after it"), used(&server) - before);
    let cycle = info(&server, "stats", "expire_cycle_cpu_milliseconds");
    value("redis", count, &format!("{storm}: seconds of processor time for it"), cycle / 1e3);
}

/// All of one token but for its issuer: signing would take the time.
fn sign_in_of(number: u64, now: Timestamp) -> NewSession {
    static TOKEN: std::sync::OnceLock<tower_didt::store::TokenMark> = std::sync::OnceLock::new();
    let mut token = *TOKEN.get_or_init(|| crate::steps::token("anybody", now));
    token.issuer = Filled(1 << 40 | number).issuer();
    NewSession::new(token, now.plus(LIFETIME))
}

fn info_keys(server: &Server) -> u64 {
    server.cli(&["DBSIZE"]).parse().expect("a number")
}

impl Filling {
    /// A session that Redis keeps for so long from now on.
    fn add_kept(&mut self, filled: Filled, now: Timestamp, ends: Timestamp, kept: Duration) {
        let issuer = filled.issuer();
        self.add(issuer, filled.handle(), now, ends);
        let kept = kept.as_millis().to_string();
        let tag = format!("didt:{{{}}}", issuer.address().to_string().to_lowercase());
        self.send(&["PEXPIRE", &format!("{tag}:s"), &kept]);
        self.send(&["PEXPIRE", &format!("{tag}:i"), &kept]);
    }
}

/// One issuer with so many sessions.
pub(crate) async fn crowd(count: u64) {
    let server = Server::start();
    let (store, now, name) = (store(&server, false), SystemClock.now(), "a crowd");
    let (issuer, living) = (Wallet::from_seed(name).issuer(), count..count + 10_000);
    fill(&server, living.clone(), now);
    let before = used(&server);
    let mut filling = Filling::begin(&server, 0);
    for number in 0..count {
        let made = now.minus(Duration::from_millis(count - number));
        filling.add(issuer, Filled(number).handle(), made, now.plus(LIFETIME));
    }
    filling.finish();
    value("redis", count, "crowd: bytes of each", (used(&server) - before) / count as f64);
    let others = living.map(Filled).collect();
    Crowd { name: "redis", count, store: &store, now, issuer, others }.all(name).await;
}

/// So many issuers who are signed out everywhere, 64 at a time.
pub(crate) async fn revoked(count: u64) {
    let server = Server::start();
    let (store, now, living) = (store(&server, false), SystemClock.now(), 10_000);
    fill(&server, 0..living, now);
    let before = used(&server);
    let (begin, mut dice) = (Instant::now(), Dice::new());
    let lanes: Vec<_> = (0..64)
        .map(|lane| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut times = Times::default();
                for number in (lane..count).step_by(64) {
                    let issuer = Filled(living + number).issuer();
                    times.await_(store.revoke_all(issuer, now)).await.expect("an answer");
                }
                times
            })
        })
        .collect();
    let (mut service, mut meanwhile) = (service(store.clone(), now), Times::default());
    while !lanes.iter().all(tokio::task::JoinHandle::is_finished) {
        let filled = Filled(dice.below(living));
        let request = cookie(&filled.ticket(filled.issuer()));
        meanwhile.await_(pass(&mut service, request)).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let took = begin.elapsed().as_secs_f64();
    meanwhile.print("redis", count, "revoked: request, cold, meanwhile");
    for lane in lanes.into_iter().take(1) {
        lane.await.expect("no panic").print(
            "redis",
            count,
            "revoked: revocation of all, 64 at a time",
        );
    }
    value("redis", count, "revoked: bytes of each", (used(&server) - before) / count as f64);
    value("redis", count, "revoked: a second", count as f64 / took);
}
