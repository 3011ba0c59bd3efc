//! Good, bad, replayed and cross-origin requests, and a store that stops answering, dies and
//! comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tower_didt::testing::Wallet;
use tower_didt::{Clock, SystemClock, Timestamp};

use crate::client::{Answer, Client};
use crate::process::{AUDIENCE, Server};
use crate::{figures, report, seconds};
use tower_didt_test_support::needs_redis;
use tower_didt_test_support::redis as server;

const EVIL: &str = "https://evil.example";
const OWN: &str = "https://app.example.com";

/// Users at a time.
const USERS: usize = 8;

/// For so long, or longer in a long run, the store is away each time.
const FAULT: Duration = Duration::from_secs(2);

/// For so long after the store is back requests may still meet its fault.
const RECOVERY: Duration = Duration::from_secs(3);

/// When requests may meet a store that does not answer.
#[derive(Default)]
struct Weather {
    fault: AtomicBool,
    over: AtomicBool,
}

/// What the users saw, by kind of request: in calm weather and during faults.
#[derive(Default)]
struct Seen {
    counts: BTreeMap<(&'static str, bool, u16), usize>,
    calm: Vec<Duration>,
}

/// What a kind of request must lead to.
#[derive(Clone, Copy)]
struct Rule {
    name: &'static str,
    status: u16,
    /// Whether the store is asked, so that it may be 503 while the store is away.
    asks: bool,
}

const fn rule(name: &'static str, status: u16, asks: bool) -> Rule {
    Rule { name, status, asks }
}

struct User {
    wallet: Wallet,
    client: Client,
    /// Living session, and the token it was made of.
    session: Option<(String, String)>,
    /// A session that was signed out for certain.
    ended: Option<String>,
    weather: Arc<Weather>,
    seen: Seen,
}

impl User {
    fn token(&self, now: Timestamp) -> String {
        self.wallet.token(AUDIENCE).issued_at(now).mint()
    }

    /// Sends a request and holds the answer against its rule.
    async fn expect(
        &mut self,
        rule: Rule,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let before = self.weather.fault.load(Ordering::SeqCst);
        let answer = self.client.send(method, path, headers).await;
        let calm = !before && !self.weather.fault.load(Ordering::SeqCst);
        let (name, status) = (rule.name, answer.status);
        let away = status == 503 && rule.asks && !calm;
        assert!(status == rule.status || away, "{name}, calm {calm}: {answer:?}");
        assert_eq!(matches!(status, 400 | 401), answer.challenge, "{name}: {answer:?}");
        assert_eq!(status == 503, answer.retry_after, "{name}: {answer:?}");
        if away {
            assert_eq!(answer.ticket, None, "{name}: the cookie stays: {answer:?}");
        }
        if status >= 400 {
            let new = answer.ticket.as_ref().is_some_and(|ticket| !ticket.is_empty());
            assert!(!new && !answer.body.contains("did:ethr:"), "{name}: {answer:?}");
        }
        *self.seen.counts.entry((name, calm, status)).or_default() += 1;
        if calm {
            self.seen.calm.push(answer.took);
        }
        answer
    }

    async fn round(&mut self) {
        let now = SystemClock.now();
        let own = self.wallet.issuer().to_string();
        if self.session.is_none() {
            let token = self.token(now);
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", &*bearer)];
            let answer = self.expect(rule("signs in", 200, true), "GET", "/me", &headers).await;
            if answer.status == 200 {
                assert_eq!(answer.body, own);
                let ticket = answer.ticket.expect("a new token makes a session");
                self.session = Some((ticket, bearer));
            }
        }
        self.bad_ones(now).await;
        let Some((ticket, bearer)) = self.session.clone() else { return };
        let cookie = format!("__Host-didt={ticket}");
        for _ in 0..4 {
            let headers = [("cookie", &*cookie)];
            let answer = self.expect(rule("session", 200, true), "GET", "/me", &headers).await;
            assert!(answer.status != 200 || answer.body == own, "{answer:?}");
        }
        let headers = [("authorization", &*bearer)];
        let answer = self.expect(rule("replayed", 200, true), "GET", "/me", &headers).await;
        assert_eq!(answer.ticket, None, "a second session of one token");

        let with = |name, value| [("cookie", &*cookie), (name, value)];
        let forbidden = rule("cross-origin", 403, false);
        self.expect(forbidden, "POST", "/me", &with("origin", EVIL)).await;
        self.expect(forbidden, "POST", "/sign-out", &with("sec-fetch-site", "cross-site")).await;
        let bad_beside_good = rule("bad token, good cookie", 401, false);
        self.expect(bad_beside_good, "GET", "/me", &with("authorization", "Bearer x")).await;
        let two = format!("{cookie}; __Host-didt=x");
        self.expect(rule("a dead cookie beside", 200, true), "GET", "/me", &[("cookie", &two)])
            .await;
        // The first digits are random bits: another one's session, if there were one.
        let other = if ticket.starts_with('A') { "B" } else { "A" };
        let unknown = format!("__Host-didt={other}{}", ticket.split_at(1).1);
        self.expect(rule("unknown", 401, true), "GET", "/me", &[("cookie", &unknown)]).await;

        let from_own = with("origin", OWN);
        let answer =
            self.expect(rule("signs out", 200, true), "POST", "/sign-out", &from_own).await;
        self.session = None;
        if answer.status == 200 {
            self.ended = Some(cookie);
        }
    }

    /// What never passes, and touches the store at most to find nothing.
    async fn bad_ones(&mut self, now: Timestamp) {
        let claim = || self.wallet.token(AUDIENCE).issued_at(now);
        let forged = Wallet::from_seed("somebody else").token_from_claim(&claim().claim());
        let foreign = self.wallet.token("did:magic:another").issued_at(now).mint();
        let long_ago = Timestamp::from_secs(now.as_secs() - 2_000);
        let old = self.wallet.token(AUDIENCE).issued_at(long_ago).mint();
        let mut cut = claim().mint();
        cut.truncate(cut.len() / 2);
        let good = format!("Bearer {}", claim().mint());
        for (name, token) in [("forged", forged), ("foreign", foreign), ("old", old), ("cut", cut)]
        {
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", &*bearer)];
            self.expect(rule(name, 401, false), "GET", "/me", &headers).await;
        }
        let from_evil = [("authorization", &*good), ("origin", EVIL)];
        self.expect(rule("cross-origin sign-in", 403, false), "GET", "/me", &from_evil).await;
        let twice = [("authorization", &*good), ("authorization", &*good)];
        self.expect(rule("two tokens", 400, false), "GET", "/me", &twice).await;
        self.expect(rule("nothing", 401, false), "GET", "/me", &[]).await;
        self.expect(rule("nothing, optional", 200, false), "GET", "/open", &[]).await;
        if let Some(ended) = self.ended.clone() {
            self.expect(rule("signed out", 401, true), "GET", "/me", &[("cookie", &ended)]).await;
        }
    }
}

/// Nothing passes that should not, nothing is answered that the rules do not name, whatever the
/// store does; what was signed in before stays so, and what was signed out.
#[test]
fn mixed_traffic_while_the_store_fails() {
    needs_redis!();
    let length = Duration::from_secs(seconds(20));
    // What was written is there again after `kill -9`.
    let mut redis = server::Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let mut server = Server::start(&redis.url(), "none");
    let weather = Arc::new(Weather::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut keeper = Keeper::new(&server);
    runtime.block_on(keeper.sign_in_and_out());
    let users = users(&server, &weather);

    let (begin, mut samples, mut marks) = (Instant::now(), Vec::new(), Vec::new());
    let mut wait_until = |end: Duration| {
        while begin.elapsed() < end {
            samples.push((begin.elapsed().as_secs_f64(), server.memory()));
            std::thread::sleep(Duration::from_millis(100));
        }
        begin.elapsed()
    };
    // A store that answers nobody, then one that dies.
    for (part, name) in [(0.2, "Redis paused"), (0.55, "Redis killed")] {
        wait_until(length.mul_f64(part));
        weather.fault.store(true, Ordering::SeqCst);
        let from = begin.elapsed();
        if name == "Redis paused" {
            redis.pause();
        } else {
            redis.kill();
        }
        let to = wait_until(from + FAULT.max(length.mul_f64(0.05)));
        if name == "Redis paused" {
            redis.resume();
        } else {
            redis.boot();
        }
        wait_until(begin.elapsed() + RECOVERY);
        weather.fault.store(false, Ordering::SeqCst);
        marks.push((from.as_secs_f64(), to.as_secs_f64(), name));
    }
    wait_until(length);
    weather.over.store(true, Ordering::SeqCst);

    let mut all = Seen::default();
    for user in users {
        let seen = user.join().expect("no user saw anything wrong");
        for (what, count) in seen.counts {
            *all.counts.entry(what).or_default() += count;
        }
        all.calm.extend(seen.calm);
    }
    runtime.block_on(keeper.comes_back());
    assert!(server.is_running());
    for ((name, calm, status), count) in &all.counts {
        println!("{name:24} {:14} {status} {count:>8}", if *calm { "" } else { "store away" });
    }
    let requests: usize = all.counts.values().sum();
    println!("{requests} requests; in calm: {}", figures::percentiles(all.calm));
    let memory = samples.iter().map(|sample| sample.1);
    println!("memory: at most {} KiB", memory.clone().max().unwrap_or(0));
    report("soak-memory.svg", &figures::plot("Memory of the server (RSS), MiB", &samples, &marks));

    // The fault was felt, and everything was tried in calm weather.
    let away = all.counts.iter().filter(|((_, calm, status), _)| !calm && *status == 503);
    assert!(away.count() > 0, "the store never failed");
    for name in ["signs in", "session", "replayed", "signs out", "signed out", "unknown"] {
        assert!(all.counts.keys().any(|(known, calm, _)| *known == name && *calm), "{name}");
    }
    assert!(memory.max().unwrap_or(0) < 512 * 1024, "memory grows");
}

/// Somebody who signs in before all faults and comes back after them.
struct Keeper {
    client: Client,
    wallet: Wallet,
    kept: String,
    ended: String,
}

impl Keeper {
    fn new(server: &Server) -> Self {
        let (kept, ended) = (String::new(), String::new());
        Self {
            client: Client::new(server.address),
            wallet: Wallet::from_seed("keeper"),
            kept,
            ended,
        }
    }

    async fn sign_in_and_out(&mut self) {
        for cookie in [&mut self.kept, &mut self.ended] {
            let token = self.wallet.token(AUDIENCE).issued_at(SystemClock.now()).mint();
            let bearer = format!("Bearer {token}");
            let answer = self.client.send("GET", "/me", &[("authorization", &*bearer)]).await;
            *cookie = format!("__Host-didt={}", answer.ticket.expect("a session"));
        }
        let cookie = [("cookie", &*self.ended)];
        assert_eq!(self.client.send("POST", "/sign-out", &cookie).await.status, 200);
    }

    async fn comes_back(&mut self) {
        let answer = self.client.send("GET", "/me", &[("cookie", &*self.kept)]).await;
        assert_eq!(answer.body, self.wallet.issuer().to_string(), "{answer:?}");
        let answer = self.client.send("GET", "/me", &[("cookie", &*self.ended)]).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

/// Users at work, each in a thread of its own, until the weather is over.
fn users(server: &Server, weather: &Arc<Weather>) -> Vec<std::thread::JoinHandle<Seen>> {
    let user = |number: usize| User {
        wallet: Wallet::from_seed(format!("user {number}")),
        client: Client::new(server.address),
        session: None,
        ended: None,
        weather: Arc::clone(weather),
        seen: Seen::default(),
    };
    let work = |mut user: User| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            while !user.weather.over.load(Ordering::SeqCst) {
                user.round().await;
            }
        });
        user.seen
    };
    (0..USERS).map(user).map(|user| std::thread::spawn(move || work(user))).collect()
}
