//! The setting of each case: a store, its own users, and a time.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use super::Task;
use crate::did::{Issuer, Timestamp, Verifier};
use crate::session::{
    Minted, NewSession, PageRequest, SessionLimit, SessionRecord, SessionStore, StoreError,
    TokenMark, TokenState,
};
use crate::testing::Wallet;

/// Runs a task concurrently with others.
pub(super) type Spawner = Arc<dyn Fn(Task) + Send + Sync>;

/// For how long the suite's tokens can be used: Magic's 900 seconds.
const TOKEN_LIFESPAN: Duration = Duration::from_secs(900);

/// For how long the suite's sessions live.
const SESSION_LIFETIME: Duration = Duration::from_secs(3600);

/// More pages than any list of the suite has.
pub(super) const MAX_PAGES: usize = 2_000;

/// Whether the store did what the case is about.
pub(super) type Outcome<T = ()> = Result<T, Violation>;

/// What a store did wrong, in a sentence.
#[derive(Debug)]
pub(super) struct Violation(String);

impl Violation {
    pub(super) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Violation {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
        Self(format!("the store answered: {error}{}", cause.unwrap_or_default()))
    }
}

/// Fails the case with this sentence unless `holds`.
pub(super) fn ensure(holds: bool, sentence: impl Into<String>) -> Outcome {
    if holds { Ok(()) } else { Err(Violation::new(sentence)) }
}

/// So many sessions of an issuer at a time, at least one.
pub(super) fn at_most(max: usize) -> SessionLimit {
    SessionLimit::AtMost(NonZeroUsize::new(max).unwrap_or(NonZeroUsize::MIN))
}

/// A store to test, and users that no other case has.
#[derive(Clone)]
pub(super) struct Fixture {
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) spawner: Spawner,
    pub(super) now: Timestamp,
    /// Makes the users of this case different from all others.
    salt: u64,
}

/// A session, and all tickets ever issued for it.
pub(super) struct Live {
    pub(super) record: Arc<SessionRecord>,
    tickets: Vec<String>,
}

impl Live {
    /// What the browser holds now.
    pub(super) fn ticket(&self) -> &str {
        self.tickets.last().map_or("", String::as_str)
    }

    /// The browser gets another cookie for the same session.
    pub(super) fn renew(&mut self, ticket: String) {
        self.tickets.push(ticket);
    }
}

impl Fixture {
    pub(super) fn new(store: Arc<dyn SessionStore>, spawner: Spawner, now: Timestamp) -> Self {
        let mut salt = [0; 8];
        // Without randomness the users are those of the last run: worse, not wrong.
        let _ = getrandom::fill(&mut salt);
        // Whole seconds, so that the suite's own arithmetic is exact.
        let now = Timestamp::from_secs(now.as_secs());
        Self { store, spawner, now, salt: u64::from_ne_bytes(salt) }
    }

    /// The same case at another time.
    pub(super) fn moved_to(self, now: Timestamp) -> Self {
        Self { now, ..self }
    }

    /// So many seconds later than the case's beginning, or earlier.
    pub(super) fn at(&self, seconds: i64) -> Timestamp {
        Timestamp::from_secs(self.now.as_secs().saturating_add(seconds))
    }

    pub(super) fn issuer(&self, user: &str) -> Issuer {
        self.wallet(user).issuer()
    }

    /// The mark of a new token of a user's, usable for 900 seconds.
    pub(super) fn token(&self, user: &str) -> Outcome<TokenMark> {
        let token = self.wallet(user).token("suite").issued_at(self.now).mint();
        let claim = Verifier::new("suite")
            .verify(token, self.now)
            .map_err(|error| Violation::new(format!("the suite's own token is bad: {error}")))?;
        Ok(TokenMark::new(&claim, self.now.plus(TOKEN_LIFESPAN)))
    }

    /// The same of a token that was issued so many seconds later, or earlier.
    pub(super) fn issued(&self, user: &str, second: i64) -> Outcome<TokenMark> {
        let issued_at = self.at(second);
        let usable_until = issued_at.plus(TOKEN_LIFESPAN);
        Ok(TokenMark { issued_at, usable_until, ..self.token(user)? })
    }

    /// A session that a token asks for which was issued so many seconds later.
    pub(super) fn session_issued(&self, user: &str, second: i64) -> Outcome<NewSession> {
        Ok(NewSession::new(self.issued(user, second)?, self.now.plus(SESSION_LIFETIME)))
    }

    /// A session that a new token asks for. It lives for an hour.
    pub(super) fn session(&self, user: &str) -> Outcome<NewSession> {
        Ok(NewSession::new(self.token(user)?, self.now.plus(SESSION_LIFETIME)))
    }

    /// Mints a session with a new token, now.
    pub(super) async fn sign_in(&self, user: &str) -> Outcome<Live> {
        self.mint(self.session(user)?, self.now).await
    }

    /// Mints a session of a token that was not used before.
    pub(super) async fn mint(&self, session: NewSession, now: Timestamp) -> Outcome<Live> {
        match self.store.mint(session, now).await? {
            Minted::Session { ticket, record } => {
                Ok(Live { record, tickets: vec![ticket.expose_secret().to_owned()] })
            }
            Minted::AlreadyUsed => Err(Violation::new("a new token was taken for a used one")),
            Minted::Revoked => Err(Violation::new("a new token was taken for a revoked one")),
            Minted::TooEarly | Minted::NotKept => Err(Violation::new("the store made no session")),
        }
    }

    /// Mints a session now, or finds that the token was revoked.
    pub(super) async fn mint_unless_revoked(&self, session: NewSession) -> Outcome<Option<Live>> {
        match self.store.mint(session, self.now).await? {
            Minted::Session { ticket, record } => {
                Ok(Some(Live { record, tickets: vec![ticket.expose_secret().to_owned()] }))
            }
            Minted::Revoked => Ok(None),
            other => Err(Violation::new(format!("a new token is {other:?}"))),
        }
    }

    /// Checks that a token makes no session any more.
    pub(super) async fn refuses(&self, session: NewSession, now: Timestamp) -> Outcome {
        let minted = self.store.mint(session, now).await?;
        let refused = matches!(minted, Minted::AlreadyUsed | Minted::Revoked);
        ensure(refused, "a used token made a session")
    }

    /// Uses a token up: whether it was new.
    pub(super) async fn claims(&self, token: TokenMark, now: Timestamp) -> Outcome<bool> {
        Ok(self.store.claim(token, now).await? == TokenState::New)
    }

    /// Whether a token was used.
    pub(super) async fn is_used(&self, token: TokenMark, now: Timestamp) -> Outcome<bool> {
        Ok(self.store.state_of(token, now).await? == TokenState::Used)
    }

    /// Checks that a token is revoked, whatever is asked for with it.
    pub(super) async fn is_revoked(
        &self,
        token: TokenMark,
        now: Timestamp,
        which: &str,
    ) -> Outcome {
        let session = NewSession::new(token, self.now.plus(SESSION_LIFETIME));
        let minted = self.store.mint(session, now).await?;
        ensure(matches!(minted, Minted::Revoked), format!("{which}, though revoked: {minted:?}"))?;
        for state in [self.store.claim(token, now).await?, self.store.state_of(token, now).await?] {
            ensure(state == TokenState::Revoked, format!("{which} is {state:?}, not revoked"))?;
        }
        Ok(())
    }

    /// The record of a session that is alive.
    pub(super) async fn load(&self, live: &Live) -> Outcome<Arc<SessionRecord>> {
        let loaded = self.store.load(live.ticket(), self.now).await?;
        loaded.ok_or_else(|| Violation::new("a session that was not ended is gone"))
    }

    /// Loads a session and touches it, as a request does; the browser takes the new ticket.
    pub(super) async fn touch(&self, live: &mut Live, now: Timestamp) -> Outcome {
        let record = self.load(live).await?;
        if let Some(ticket) = self.store.touch(&record, now).await?.renewed {
            live.renew(ticket.expose_secret().to_owned());
        }
        Ok(())
    }

    /// Checks that no ticket of a session opens it, and that no list has it.
    pub(super) async fn is_gone(&self, live: &Live) -> Outcome {
        for ticket in &live.tickets {
            let loaded = self.store.load(ticket, self.now).await?;
            ensure(loaded.is_none(), "a session that was ended can be loaded")?;
        }
        if self.store.lists_sessions() {
            let listed = self.all_of(live.record.issuer).await?;
            let found = listed.iter().any(|record| record.handle == live.record.handle);
            ensure(!found, "a session that was ended is listed")?;
        }
        Ok(())
    }

    /// All sessions of an issuer, page by page.
    pub(super) async fn all_of(&self, issuer: Issuer) -> Outcome<Vec<Arc<SessionRecord>>> {
        self.pages_of(issuer, PageRequest::first()).await
    }

    /// All sessions from a page on, by pages of the same size.
    pub(super) async fn pages_of(
        &self,
        issuer: Issuer,
        from: PageRequest,
    ) -> Outcome<Vec<Arc<SessionRecord>>> {
        let (mut request, mut all) = (from, Vec::new());
        for _ in 0..MAX_PAGES {
            let page = self.store.sessions_of(issuer, request, self.now).await?;
            ensure(page.sessions.len() <= from.size(), "a page is larger than it may be")?;
            all.extend(page.sessions);
            let Some(next) = page.next else { return Ok(all) };
            ensure(request.cursor() < Some(next), "the next page does not lie behind the page")?;
            request = PageRequest::after(next).with_size(from.size());
        }
        Err(Violation::new(format!("a list has no end within {MAX_PAGES} pages")))
    }

    /// Checks that an issuer's list has these sessions, in this order, and no others;
    /// or that the store says that it keeps no lists.
    pub(super) async fn lists(&self, issuer: Issuer, sessions: &[&Live]) -> Outcome {
        if !self.store.lists_sessions() {
            let answer = self.store.sessions_of(issuer, PageRequest::first(), self.now).await;
            let refused = matches!(answer, Err(StoreError::Unsupported));
            return ensure(refused, "a store that lists no sessions must say so");
        }
        let listed: Vec<_> =
            self.all_of(issuer).await?.iter().map(|record| record.handle).collect();
        let expected: Vec<_> = sessions.iter().map(|live| live.record.handle).collect();
        ensure(
            listed == expected,
            format!("expected {} sessions, in order, and found {listed:?}", expected.len()),
        )
    }

    fn wallet(&self, user: &str) -> Wallet {
        Wallet::from_seed(format!("{user} {:016x}", self.salt))
    }
}
