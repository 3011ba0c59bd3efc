//! What is done with a store in a server, one call after the other.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use http::Request;
use tower_didt::layer::DidService;
use tower_didt::store::{Minted, NewSession, PageRequest, SessionStore, TokenMark};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{DidAuth, Issuer, Lifetimes, SessionLimit, SessionRecord, Timestamp, Verifier};
use tower_didt_benches::calls::{Bare, request};
use tower_didt_benches::{AUDIENCE, median};
use tower_layer::Layer;
use tower_service::Service;

use crate::figures::{Dice, Times, value};
use crate::filled::Filled;

/// Calls of each kind.
const CALLS: u64 = 500;

/// Sessions whose users are here at the moment, and rounds of a request by each.
const HERE: u64 = 1_000;
const ROUNDS: usize = 50;

/// Long, so that all sessions live to the end.
pub(crate) const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// A good token of somebody, used within the next quarter of an hour.
pub(crate) fn token(name: &str, now: Timestamp) -> TokenMark {
    let token = Wallet::from_seed(name).token(AUDIENCE).issued_at(now).mint();
    let claim = Verifier::new(AUDIENCE).verify(token, now).expect("a good token");
    TokenMark::new(&claim, now.plus(Duration::from_secs(900)))
}

/// A session to be made of somebody's token.
pub(crate) fn session(name: &str, now: Timestamp) -> NewSession {
    NewSession::new(token(name, now), now.plus(LIFETIME))
}

/// The session that was made.
pub(crate) fn made(minted: Minted) -> (String, std::sync::Arc<SessionRecord>) {
    match minted {
        Minted::Session { ticket, record } => (ticket.expose_secret().to_owned(), record),
        other => panic!("{other:?}"),
    }
}

/// A service behind the layer over a store. It never writes down that a session is in use.
pub(crate) fn service(store: impl SessionStore, now: Timestamp) -> DidService<Bare> {
    let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_store(store);
    let lifetimes = Lifetimes::new(10 * LIFETIME).with_refresh_interval(10 * LIFETIME);
    auth.with_lifetimes(lifetimes).with_clock(FixedClock::at(now)).layer().layer(Bare)
}

/// A request with a session's cookie.
pub(crate) fn cookie(ticket: &str) -> Request<()> {
    request("cookie", &format!("__Host-didt={ticket}"))
}

/// Sends a request, which must pass.
pub(crate) async fn pass(service: &mut DidService<Bare>, request: Request<()>) {
    let Ok(response) = service.call(request).await;
    assert_eq!(response.status(), 200);
}

/// The store's figures at this number of sessions, of which those numbered lately were never touched.
pub(crate) struct Measured<'a, S> {
    pub(crate) name: &'a str,
    pub(crate) count: u64,
    /// Keeps copies, and keeps none.
    pub(crate) hot: &'a S,
    pub(crate) cold: &'a S,
    pub(crate) now: Timestamp,
    pub(crate) picker: &'a mut Picker,
    /// Run before each kind of call, and after it with the kind's name.
    pub(crate) around: &'a dyn Fn(Option<&str>),
}

impl<S: SessionStore + Clone> Measured<'_, S> {
    pub(crate) async fn all(&mut self) {
        self.hot_requests().await;
        self.cold_requests().await;
        self.sign_ins().await;
        self.lists().await;
        self.revocations().await;
    }

    async fn hot_requests(&mut self) {
        let mut service = service(self.hot.clone(), self.now);
        let here: Vec<_> =
            (0..HERE.min(self.count / 2)).map(|_| self.picker.any(self.count)).collect();
        let request = |filled: &Filled| cookie(&filled.ticket(filled.issuer()));
        let mut means = Vec::new();
        for round in 0..=ROUNDS {
            let requests: Vec<_> = here.iter().map(request).collect();
            let number = requests.len() as f64;
            let begin = Instant::now();
            for request in requests {
                pass(&mut service, request).await;
            }
            // The first time nobody has a copy.
            if round > 0 {
                means.push(begin.elapsed().as_secs_f64() * 1e6 / number);
            }
            // For the connection that tells of changes.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        value(self.name, self.count, "request, hot", median(means));
    }

    async fn cold_requests(&mut self) {
        let mut service = service(self.cold.clone(), self.now);
        let mut times = Times::default();
        self.begin(&mut service).await;
        for _ in 0..4 * CALLS {
            let filled = self.picker.any(self.count);
            let request = cookie(&filled.ticket(filled.issuer()));
            times.await_(pass(&mut service, request)).await;
        }
        self.end(times, "request, cold");
    }

    async fn sign_ins(&mut self) {
        let name = |number| format!("{} {} {number}", self.name, self.count);
        let sessions: Vec<_> = (0..CALLS).map(|n| session(&name(n), self.now)).collect();
        let mut times = Times::default();
        (self.around)(None);
        for session in sessions {
            let minted = times.await_(self.cold.mint(session, self.now)).await;
            made(minted.expect("an answer"));
        }
        self.end(times, "sign-in");
    }

    async fn lists(&mut self) {
        let mut times = Times::default();
        (self.around)(None);
        for _ in 0..CALLS {
            let issuer = self.picker.any(self.count).issuer();
            let page = times.await_(self.cold.sessions_of(issuer, PageRequest::first(), self.now));
            assert_eq!(page.await.expect("an answer").sessions.len(), 1);
        }
        self.end(times, "list");
    }

    async fn revocations(&mut self) {
        for what in ["revocation", "revocation of all"] {
            let mut times = Times::default();
            (self.around)(None);
            for _ in 0..CALLS.min(self.count / 10) {
                let filled = self.picker.last_time(self.count);
                let (issuer, handle) = (filled.issuer(), filled.handle());
                if what == "revocation" {
                    let revoked = times.await_(self.cold.revoke(issuer, handle, self.now)).await;
                    assert!(revoked.expect("an answer"));
                } else {
                    let revoked = times.await_(self.cold.revoke_all(issuer, self.now)).await;
                    revoked.expect("an answer");
                }
                let gone = self.cold.load(&filled.ticket(issuer), self.now).await;
                assert!(gone.expect("an answer").is_none());
            }
            self.end(times, what);
        }
    }

    /// Opens the connection.
    async fn begin(&mut self, service: &mut DidService<Bare>) {
        let filled = self.picker.any(self.count);
        pass(service, cookie(&filled.ticket(filled.issuer()))).await;
        (self.around)(None);
    }

    fn end(&self, times: Times, what: &str) {
        times.print(self.name, self.count, what);
        (self.around)(Some(what));
    }
}

/// Picks sessions that were filled in and not ended since.
#[derive(Debug)]
pub(crate) struct Picker {
    dice: Dice,
    ended: HashSet<u64>,
}

impl Picker {
    pub(crate) fn new() -> Self {
        Self { dice: Dice::new(), ended: HashSet::new() }
    }

    /// One of so many.
    fn any(&mut self, count: u64) -> Filled {
        loop {
            let number = self.dice.below(count);
            if !self.ended.contains(&number) {
                return Filled(number);
            }
        }
    }

    /// One that is about to be ended.
    fn last_time(&mut self, count: u64) -> Filled {
        let filled = self.any(count);
        self.ended.insert(filled.0);
        filled
    }
}

/// One issuer with so many sessions, and what it costs.
pub(crate) struct Crowd<'a, S> {
    pub(crate) name: &'a str,
    pub(crate) count: u64,
    pub(crate) store: &'a S,
    pub(crate) now: Timestamp,
    pub(crate) issuer: Issuer,
    /// Sessions of others.
    pub(crate) others: Vec<Filled>,
}

impl<S: SessionStore + Clone> Crowd<'_, S> {
    pub(crate) async fn all(&self, name: &str) {
        let (store, now, issuer) = (self.store, self.now, self.issuer);
        let mut service = service(store.clone(), now);
        let mut request = Times::default();
        for number in 0..CALLS {
            let ticket = Filled(number).ticket(issuer);
            request.await_(pass(&mut service, cookie(&ticket))).await;
        }
        request.print(self.name, self.count, "crowd: request, cold");
        let mut list = Times::default();
        let mut next = PageRequest::first();
        for _ in 0..CALLS {
            let page = list.await_(store.sessions_of(issuer, next, now)).await;
            let page = page.expect("an answer");
            assert_eq!(page.sessions.len(), 100);
            next = PageRequest::after(page.next.expect("more"));
        }
        list.print(self.name, self.count, "crowd: a page of the list");
        let mut revoke = Times::default();
        for number in 0..CALLS {
            let revoked = revoke.await_(store.revoke(issuer, Filled(number).handle(), now)).await;
            assert!(revoked.expect("an answer"));
        }
        revoke.print(self.name, self.count, "crowd: revocation");
        for (limit, what) in [
            (SessionLimit::Unlimited, "crowd: sign-in, no limit"),
            (SessionLimit::Default, "crowd: sign-in, a limit of 256"),
        ] {
            let tokens: Vec<_> = (0..100).map(|_| token(name, now)).collect();
            assert!(tokens.iter().all(|token| token.issuer == issuer));
            let mut sign_in = Times::default();
            for token in tokens {
                let session = NewSession::new(token, now.plus(LIFETIME)).with_limit(limit);
                made(sign_in.await_(store.mint(session, now)).await.expect("an answer"));
            }
            sign_in.print(self.name, self.count, what);
        }
        self.everywhere().await;
    }

    /// Ends all of them, while others send requests.
    async fn everywhere(&self) {
        let mut service = service(self.store.clone(), self.now);
        let (mut others, mut everywhere) = (Times::default(), Times::default());
        let (store, issuer, now) = (self.store.clone(), self.issuer, self.now);
        let ending = tokio::spawn(async move {
            everywhere.await_(store.revoke_all(issuer, now)).await.expect("an answer");
            everywhere
        });
        let mut after = 0;
        for filled in self.others.iter().cycle() {
            others.await_(pass(&mut service, cookie(&filled.ticket(filled.issuer())))).await;
            after += u64::from(ending.is_finished());
            if after > CALLS {
                break;
            }
        }
        ending.await.expect("no panic").print(self.name, self.count, "crowd: revocation of all");
        others.print(self.name, self.count, "crowd: requests of others meanwhile");
        let page = self.store.sessions_of(self.issuer, PageRequest::first(), self.now).await;
        assert!(page.expect("an answer").sessions.is_empty());
    }
}
