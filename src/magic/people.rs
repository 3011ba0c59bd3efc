//! A cache in front of Magic, to look people up with as few calls as possible.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::cache::{Ages, Known, ProfileCache};
use super::error::{MagicError, Unavailable};
use super::flights::{Flights, Landing};
use super::sign_outs::SignOuts;
use super::{AdminApi, MagicConfigError, MagicUser, SecretKey, observe};
use crate::did::{Clock, Issuer, SystemClock, Timestamp, Verifier};

/// For how long a profile is fresh by default.
const DEFAULT_FRESH: Duration = Duration::from_secs(300);

/// How old a profile may become while Magic fails, by default.
const DEFAULT_STALE: Duration = Duration::from_secs(3600);

/// For how long an issuer is taken for nobody's without asking again: short, since somebody may
/// just be becoming a user, and long enough that one made-up key costs six calls a minute.
const NOBODY: Duration = Duration::from_secs(10);

/// What profiles may take of memory by default: 16 MiB, about 35,000 people.
const DEFAULT_CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How many look-ups may wait for an answer at a time by default. Each is a request that the server
/// has accepted already.
const DEFAULT_MAX_WAITING: usize = 16 * 1024;

/// How many calls about issuers that are not in the cache may be under way at a time, and how many
/// to renew profiles. They are counted apart: who makes up keys keeps nobody's profile from
/// being renewed.
const MAX_NEW_CALLS: usize = 48;
const MAX_RENEWALS: usize = 16;

/// How long a renewal that failed is left alone, unless Magic asks for longer.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// Looks up who is behind an issuer: an [`AdminApi`] with a cache.
///
/// ```no_run
/// use tower_didt::DidAuth;
/// use tower_didt::magic::{Magic, SecretKey};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let magic = Magic::new(SecretKey::from_file("/run/secrets/magic")?)?;
/// // Tokens of the application that the key belongs to, and no sessions but of its users.
/// let auth = DidAuth::new(magic.verifier().await?).with_magic(magic);
/// # Ok(())
/// # }
/// ```
///
/// A profile is *fresh* for 5 minutes and answers without a call. Older than that, it still answers
/// at once, and one call renews it in the background. While Magic fails, it goes on answering until
/// it is an hour old. All who ask about one issuer at the same time share one call. Only an answer
/// of Magic's (a profile, or that there is no such user) replaces a profile.
///
/// Needs a Tokio runtime. Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct Magic(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    api: AdminApi,
    ages: Ages,
    max_bytes: u64,
    cache: ProfileCache,
    flights: Flights,
    waiting: Arc<Semaphore>,
    new_calls: Arc<Semaphore>,
    renewals: Arc<Semaphore>,
    sign_outs: Arc<SignOuts>,
    clock: Arc<dyn Clock>,
    on_change: Option<ChangeHook>,
}

type ChangeHook = Arc<dyn Fn(&ProfileChange) + Send + Sync>;

/// A change in what Magic says about a user.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProfileChange {
    /// What Magic said before.
    pub before: MagicUser,
    /// What Magic says now; `None` if the application has no such user any more.
    pub after: Option<MagicUser>,
}

impl Magic {
    /// A client for the application with this secret key, over the built-in transport.
    ///
    /// # Errors
    ///
    /// As [`AdminApi::new`].
    pub fn new(key: SecretKey) -> Result<Self, MagicConfigError> {
        Ok(Self::over(AdminApi::new(key)?))
    }

    /// A client over an [`AdminApi`] with custom settings.
    #[must_use]
    pub fn over(api: AdminApi) -> Self {
        Self(Arc::new(Inner {
            api,
            ages: Ages { fresh: DEFAULT_FRESH, stale: DEFAULT_STALE, nobody: NOBODY },
            max_bytes: DEFAULT_CACHE_BYTES,
            cache: ProfileCache::new(DEFAULT_CACHE_BYTES, DEFAULT_STALE),
            flights: Flights::default(),
            waiting: Arc::new(Semaphore::new(DEFAULT_MAX_WAITING)),
            new_calls: Arc::new(Semaphore::new(MAX_NEW_CALLS)),
            renewals: Arc::new(Semaphore::new(MAX_RENEWALS)),
            sign_outs: Arc::default(),
            clock: Arc::new(SystemClock),
            on_change: None,
        }))
    }

    /// For how long a profile answers without a call to renew it. Defaults to 5 minutes.
    #[must_use]
    pub fn with_fresh_for(self, fresh: Duration) -> Self {
        self.change(|inner| inner.ages.fresh = fresh)
    }

    /// How old a profile may become, while Magic fails or nobody asks, and still be used. Defaults
    /// to an hour. It is also the longest time for which a profile stays in memory.
    #[must_use]
    pub fn with_stale_until(self, age: Duration) -> Self {
        self.change(|inner| {
            inner.ages.stale = age;
            inner.cache = ProfileCache::new(inner.max_bytes, age);
        })
    }

    /// What profiles may take of memory, in bytes. Defaults to 16 MiB, about 35,000 people.
    #[must_use]
    pub fn with_cache_bytes(self, max_bytes: u64) -> Self {
        self.change(|inner| {
            inner.max_bytes = max_bytes;
            inner.cache = ProfileCache::new(max_bytes, inner.ages.stale);
        })
    }

    /// How many look-ups may wait for an answer at a time; more fail at once with
    /// [`Unavailable::Busy`]. Defaults to 16,384.
    #[must_use]
    pub fn with_max_waiting(self, max: usize) -> Self {
        let waiting = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        self.change(|inner| inner.waiting = waiting)
    }

    /// Where the time comes from. Defaults to [`SystemClock`]. Within
    /// [`DidAuth`](crate::DidAuth), that one's clock is asked.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.change(|inner| inner.clock = Arc::new(clock))
    }

    /// Calls `hook` whenever Magic's answer about a user has changed: to update
    /// a table of users, or to sign out a user who was deleted. Called once per
    /// process and change, for people whose last profile is still in the cache; it
    /// must not block.
    #[must_use]
    pub fn with_on_change(self, hook: impl Fn(&ProfileChange) + Send + Sync + 'static) -> Self {
        self.change(|inner| inner.on_change = Some(Arc::new(hook)))
    }

    /// The client id of the application whose secret key this is. Always a call.
    ///
    /// # Errors
    ///
    /// As [`AdminApi::client_id`].
    pub async fn client_id(&self) -> Result<String, MagicError> {
        self.0.api.client_id().await
    }

    /// A verifier for tokens of the application whose secret key this is. Always a call. Fails
    /// closed: without an answer there is no verifier.
    ///
    /// # Errors
    ///
    /// As [`AdminApi::client_id`].
    pub async fn verifier(&self) -> Result<Verifier, MagicError> {
        self.0.api.verifier().await
    }

    /// Ends a user's sessions *with Magic*. Always a call: 16 at a time, one for each issuer.
    ///
    /// # Errors
    ///
    /// As [`AdminApi::sign_out`]; and [`Unavailable::Busy`] while this issuer is being signed out
    /// already, or where there are too many sign-outs to make a call within the time budget.
    pub async fn sign_out(&self, issuer: Issuer) -> Result<(), MagicError> {
        let inner = &self.0;
        let call = inner.api.sign_out(issuer);
        inner.sign_outs.pass_on(issuer, inner.api.budget(), call).await
    }

    /// Looks up who is behind a verified issuer, from the cache if possible.
    ///
    /// # Errors
    ///
    /// [`MagicError::NoSuchUser`] if the application has no such user; others if Magic has to be
    /// asked and does not say.
    pub async fn user(&self, issuer: Issuer) -> Result<MagicUser, MagicError> {
        let now = self.0.clock.now();
        match self.known(issuer, now) {
            Some(known) => known,
            None => self.ask(issuer, now).await,
        }
    }

    /// Returns what the cache has, and starts a renewal that is due. Never waits.
    pub(crate) fn known(
        &self,
        issuer: Issuer,
        now: Timestamp,
    ) -> Option<Result<MagicUser, MagicError>> {
        let (answer, word) = match self.0.cache.look(issuer, self.0.ages, now) {
            Known::Fresh(user) => (Ok(user), "fresh"),
            Known::Stale(user) => {
                self.renew(issuer, now);
                (Ok(user), "stale")
            }
            Known::Nobody => (Err(MagicError::NoSuchUser), "unknown"),
            Known::Nothing => return None,
        };
        observe::looked_up(word);
        Some(answer)
    }

    /// Returns the newest profile of a signed-in user, if the cache has one, and starts a
    /// renewal that is due. Never waits.
    pub(crate) fn newest(&self, issuer: Issuer, now: Timestamp) -> Option<MagicUser> {
        match self.0.cache.look(issuer, self.0.ages, now) {
            Known::Fresh(user) => Some(user),
            Known::Stale(user) => {
                self.renew(issuer, now);
                Some(user)
            }
            Known::Nobody => None,
            Known::Nothing => {
                self.renew(issuer, now);
                None
            }
        }
    }

    /// When Magic said that there is no such user, if that was its last word. It counts until there
    /// is another one: were it forgotten as soon as Magic is asked again, somebody who was deleted
    /// would be back until the answer comes.
    pub(crate) fn gone_since(&self, issuer: Issuer) -> Option<Timestamp> {
        self.0.cache.gone_since(issuer)
    }

    /// Whether Magic said, when this profile was made or later, that there is no such user.
    pub(crate) fn is_gone(&self, user: &MagicUser) -> bool {
        self.0.cache.is_gone(user)
    }

    /// Begins to renew a profile in the background, unless that failed a moment ago. Where there is
    /// no room for it now, a later request begins it.
    fn renew(&self, issuer: Issuer, now: Timestamp) {
        if self.0.cache.may_renew(issuer, now) {
            let _ = self.begin(issuer, now, true);
        }
    }

    /// Waits for Magic's answer, together with all who ask the same.
    pub(crate) async fn ask(
        &self,
        issuer: Issuer,
        now: Timestamp,
    ) -> Result<MagicUser, MagicError> {
        let outcome = match self.0.waiting.try_acquire() {
            Ok(_place) => match self.begin(issuer, now, false) {
                Ok(landing) => landing.outcome().await,
                Err(error) => Err(error),
            },
            Err(_) => Err(MagicError::Unavailable(Unavailable::Busy)),
        };
        observe::looked_up(match outcome {
            Ok(_) | Err(MagicError::NoSuchUser) => "asked",
            Err(_) => "failed",
        });
        outcome
    }

    fn begin(&self, issuer: Issuer, now: Timestamp, renewal: bool) -> Result<Landing, MagicError> {
        let inner = Arc::clone(&self.0);
        self.0.flights.join(issuer, || async move { inner.look_up(issuer, now, renewal).await })
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Inner {
    /// One call, and what follows from its answer.
    async fn look_up(
        &self,
        issuer: Issuer,
        now: Timestamp,
        renewal: bool,
    ) -> Result<MagicUser, MagicError> {
        // Somebody else's call may have ended between this one's look into the cache and its turn.
        match self.cache.look(issuer, self.ages, now) {
            Known::Fresh(user) => return Ok(user),
            Known::Nobody => return Err(MagicError::NoSuchUser),
            Known::Stale(_) | Known::Nothing => {}
        }
        let before = self.cache.last(issuer);
        let places = if renewal { &self.renewals } else { &self.new_calls };
        let timed_out = || Err(MagicError::Unavailable(Unavailable::TimedOut));
        let deadline = Instant::now() + self.api.budget();
        let asking = async {
            let _place = places.acquire().await;
            // Those before this one may have taken all the time there was.
            if Instant::now() >= deadline {
                return timed_out();
            }
            self.api.user(issuer, now).await
        };
        let outcome = timeout_at(deadline, asking).await.unwrap_or_else(|_| timed_out());
        match &outcome {
            Ok(user) => self.cache.keep(user.clone()),
            Err(MagicError::NoSuchUser) => self.cache.keep_nobody(issuer, now),
            Err(error) if renewal => self.cache.postpone(issuer, now.plus(pause_after(error))),
            Err(_) => {}
        }
        if let Some(before) = before {
            self.tell(before, &outcome);
        }
        outcome
    }

    fn tell(&self, before: MagicUser, outcome: &Result<MagicUser, MagicError>) {
        let after = match outcome {
            Ok(after) if after.says_the_same(&before) => return,
            Ok(after) => Some(after.clone()),
            Err(MagicError::NoSuchUser) => None,
            Err(_) => return,
        };
        observe::changed(before.issuer(), after.is_none());
        if let Some(hook) = &self.on_change {
            hook(&ProfileChange { before, after });
        }
    }
}

/// How long to wait before a failed renewal is tried again.
fn pause_after(error: &MagicError) -> Duration {
    match error {
        MagicError::RateLimited { retry_after: Some(wait) } => RENEWAL_PAUSE.max(*wait),
        _ => RENEWAL_PAUSE,
    }
}

impl fmt::Debug for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Magic").field("api", &self.0.api).finish_non_exhaustive()
    }
}
