//! Sessions and tokens for tests of stores.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tower_didt::store::{Minted, NewSession, PageRequest, SessionStore, TokenMark};
use tower_didt::testing::Wallet;
use tower_didt::{Clock, Issuer, SessionRecord, StoreError, SystemClock, Timestamp, Verifier};

/// How long the sessions live.
pub const LIFETIME: Duration = Duration::from_secs(3600);

/// What the clock says.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// The issuer of a user's wallet.
pub fn issuer(seed: &str) -> Issuer {
    Wallet::from_seed(seed).issuer()
}

/// The mark of a new token of a user's. Dated a second ahead, as a client's clock may be, so
/// that it is younger than every sign-out everywhere that has returned.
pub fn token(seed: &str) -> TokenMark {
    let (end, now) = (now().plus(Duration::from_secs(900)), now().plus(Duration::from_secs(1)));
    let token = Wallet::from_seed(seed).token("app").issued_at(now).mint();
    let claim = Verifier::new("app").verify(token, now).expect("a good token");
    TokenMark::new(&claim, end)
}

/// A session that a new token asks for.
pub fn session(seed: &str) -> NewSession {
    NewSession::new(token(seed), now().plus(LIFETIME))
}

/// A session: the cookie's value and the record.
pub async fn sign_in(store: &impl SessionStore, seed: &str) -> (String, Arc<SessionRecord>) {
    match store.mint(session(seed), now()).await.expect("an answer") {
        Minted::Session { ticket, record } => (ticket.expose_secret().to_owned(), record),
        other => panic!("{other:?}"),
    }
}

/// The first page of an issuer's sessions.
pub async fn list(store: &impl SessionStore, issuer: Issuer) -> Vec<Arc<SessionRecord>> {
    let page = store.sessions_of(issuer, PageRequest::first(), now()).await;
    page.expect("an answer").sessions
}

/// Whether a cookie opens a session.
pub async fn opens(store: &impl SessionStore, ticket: &str) -> bool {
    store.load(ticket, now()).await.expect("an answer").is_some()
}

/// Whether a cookie opens a session without anybody being asked.
pub fn opens_at_once(store: &impl SessionStore, ticket: &str) -> bool {
    matches!(store.load(ticket, now()).try_now(), Ok(Ok(Some(_))))
}

/// Loads a session until this process has a copy of it.
pub async fn warm(store: &impl SessionStore, ticket: &str) {
    eventually(async || {
        let _ = store.load(ticket, now()).await;
        opens_at_once(store, ticket)
    })
    .await;
}

/// Waits until something holds, thirty seconds at most; how long it took.
pub async fn eventually(holds: impl AsyncFn() -> bool) -> Duration {
    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < Duration::from_secs(30), "it never holds");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    begin.elapsed()
}

/// Checks that this is an error of an unreachable store.
#[track_caller]
pub fn unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> StoreError {
    match answer {
        Err(error @ StoreError::Unavailable(_)) => error,
        other => panic!("expected that the store is unavailable, got {other:?}"),
    }
}

/// The error and all that it says about its causes.
pub fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// Some of many times.
#[derive(Debug)]
pub struct Times(Vec<Duration>);

impl Times {
    /// In any order.
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Not longer than so many of a hundred.
    pub fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    /// The one in the middle.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    /// Prints median, p99 and the longest.
    pub fn report(&self, what: &str) {
        println!(
            "{what}: median {:.1?}, p99 {:.1?}, longest {:.1?} of {}",
            self.median(),
            self.percentile(99),
            self.percentile(100),
            self.0.len()
        );
    }
}

/// The issuers that have sessions, page after page.
pub async fn pages_of_issuers(store: &impl SessionStore) -> Vec<Vec<Issuer>> {
    let (mut pages, mut next) = (Vec::new(), None);
    loop {
        let page = store.issuers(next).await.expect("an answer");
        pages.push(page.issuers);
        next = page.next;
        if next.is_none() {
            return pages;
        }
    }
}

/// Checks that a store that keeps issuers in an order lists each once, in pages, whatever it is asked for.
pub async fn lists_each_issuer_once(store: &impl SessionStore) {
    assert_eq!(pages_of_issuers(store).await, [[]; 1], "nobody signed in yet");
    let names: Vec<_> = (0..205).map(|number| format!("user {number}")).collect();
    for name in &names {
        sign_in(store, name).await;
    }
    sign_in(store, &names[0]).await;
    let pages = pages_of_issuers(store).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 5]);
    let listed = pages.concat();
    assert!(listed.is_sorted(), "each once");
    let all: BTreeSet<_> = names.iter().map(|name| issuer(name)).collect();
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
    let made_up = "no-address".parse().expect("a cursor");
    assert!(matches!(store.issuers(Some(made_up)).await, Err(StoreError::Unsupported)));
}
