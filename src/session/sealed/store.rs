//! The store: what is done when, and what the ledger is asked.

use std::sync::Arc;
use std::time::Duration;

use super::envelope::{self, Salt};
use super::handle::{self, HandleParts};
use super::keys::{SealingKey, SealingKeys};
use super::ledger::{RevocationLedger, SealedSession};
use super::payload;
use crate::did::{Issuer, Timestamp};
use crate::session::{
    DataUpdate, Minted, NewSession, PageRequest, SessionData, SessionHandle, SessionLimit,
    SessionPage, SessionRecord, SessionStore, StoreError, StoreFuture, Ticket, TokenMark,
    TokenState, Touched,
};

/// The cookie that the layer sets by default.
const DEFAULT_COOKIE: &str = "__Host-didt";

/// What a browser keeps of a cookie: of name, value and attributes in RFC 6265
/// section 6.1, of name and value in RFC 6265bis and ASVS 5.0 (3.3). The stricter
/// is kept, but for a `Domain`, whose length is not known here.
const MAX_COOKIE_LEN: usize = 4096;

/// The longest attributes that the layer writes, without a `Domain`.
const ATTRIBUTES: &str = "; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=34560000";

/// Browsers keep no cookie longer than 400 days (RFC 6265bis).
const DEFAULT_MAX_LIFETIME: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Sessions inside their cookies: encrypted, authenticated, and kept nowhere else.
///
/// Nothing has to be installed, and sessions outlive the process. Every server
/// that has the [`SealingKeys`] knows them.
///
/// ```
/// use tower_didt::{DidAuth, SealedStore, SealingKeys, Verifier};
/// use tower_didt::sealed::MemoryLedger;
///
/// # fn main() -> Result<(), tower_didt::sealed::SealingKeyError> {
/// # let text = SealingKeys::generate_text()?;
/// # let path = std::env::temp_dir().join(format!("tower-didt-{}", std::process::id()));
/// # std::fs::write(&path, text).expect("a temporary file");
/// let keys = SealingKeys::from_file(&path)?;
/// # std::fs::remove_file(&path).expect("a temporary file");
/// let store = SealedStore::new(keys, MemoryLedger::new());
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_store(store);
/// # Ok(())
/// # }
/// ```
///
/// # What it guarantees
///
/// A cookie by itself does not show that its session was ended, or that its token was
/// used. That is remembered by a [`RevocationLedger`], and holds as far as it reaches:
///
/// | | [`MemoryLedger`](super::MemoryLedger) | a ledger that machines share: [`RedisStore`] |
/// |---|---|---|
/// | sessions survive a restart | yes | yes |
/// | sessions hold on every machine with the keys | yes | yes |
/// | a token makes one session | on each machine, until it restarts | ever |
/// | sign-out, here, everywhere or of one session | on this machine, until it restarts | ever, on all machines |
/// | lists of sessions, limits on their number | no | no |
///
/// [`RedisStore`] (feature `redis`) is such a ledger: `SealedStore::new(keys, redis)`. There
/// "ever" is as long as Redis keeps its data, and "on all machines" is within
/// milliseconds. Without Redis no session opens.
///
/// With a ledger in memory, **a cookie that someone copied before its owner
/// signed out works again after a restart, and all along on other machines, until
/// the session ends by itself**; a token that somebody copied can make one more
/// session there until it is too old, 15 minutes by default. Where that is too
/// weak, use short lifetimes, [`RedisStore`] as the ledger, or a store that keeps its sessions.
///
/// # What is different from other stores
///
/// - It lists and counts no sessions: [`lists_sessions`](SessionStore::lists_sessions) is false,
///   and the limit on their number that other stores have by default is not kept here.
/// - A session's data has about 2,800 bytes. Data that does not fit into a cookie of 4,096
///   is [`StoreError::TooLarge`], and uses no token up.
/// - Being in use is written into a new cookie. An older cookie of the same session
///   still opens it, with the older `last_seen`, and is idle sooner.
/// - Changed data is in a new cookie, which the response sets. Of two changes that began from the same
///   data one is refused, as in every store; but **the earlier cookie goes on to open the session with
///   the earlier data**, until the session ends. So do not take rights away by changing data: end
///   the session. Where a response is lost on its way, or that of a slower request arrives after it and
///   renews the earlier cookie, the browser is left with data that can no longer be changed until it
///   signs in again. Its user cannot read the data.
/// - The session's name, its [`SessionHandle`], reveals when it was made and when it ends.
///
/// Cloning is cheap and shares keys and ledger.
///
#[cfg_attr(feature = "redis", doc = "[`RedisStore`]: crate::session::RedisStore")]
#[cfg_attr(
    not(feature = "redis"),
    doc = "[`RedisStore`]: https://docs.rs/tower-didt/latest/tower_didt/struct.RedisStore.html"
)]
#[derive(Clone, Debug)]
pub struct SealedStore(Arc<Shared>);

#[derive(Clone, Debug)]
struct Shared {
    keys: SealingKeys,
    ledger: Arc<dyn RevocationLedger>,
    cookie: Box<str>,
    max_lifetime: Duration,
}

impl SealedStore {
    /// Sessions sealed with these keys, and a ledger of what was used and ended.
    #[must_use]
    pub fn new(keys: SealingKeys, ledger: impl RevocationLedger) -> Self {
        Self(Arc::new(Shared {
            keys,
            ledger: Arc::new(ledger),
            cookie: DEFAULT_COOKIE.into(),
            max_lifetime: DEFAULT_MAX_LIFETIME,
        }))
    }

    /// The name of the cookie that the sessions go into, prefix included. Defaults to
    /// the layer's default, `__Host-didt`; set it to the name of the layer's cookie.
    ///
    /// A session that was sealed for one name opens under no other, and the name
    /// counts towards the size of the cookie.
    #[must_use]
    pub fn with_cookie_name(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.0).cookie = name.into();
        self
    }

    /// The longest that any session may live: sessions that were to end later end
    /// then. Defaults to 400 days, the longest that browsers keep a cookie.
    ///
    /// "Sign out everywhere" is remembered for as long, and sessions that are older count as
    /// ended. So all that share the keys must agree on it; where it is raised, sessions that
    /// were signed out everywhere under the shorter one may open again.
    #[must_use]
    pub fn with_max_lifetime(mut self, longest: Duration) -> Self {
        Arc::make_mut(&mut self.0).max_lifetime = longest;
        self
    }
}

impl SessionStore for SealedStore {
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
        // What can fail comes first, so that it uses no token up.
        let drafted = Draft::new(&self.0, &session);
        let shared = Arc::clone(&self.0);
        match drafted {
            Ok(draft) => StoreFuture::boxed(async move { shared.mint(session, draft, now).await }),
            Err(error) => StoreFuture::ready(Err(error)),
        }
    }

    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        let state = |claimed: Result<_, _>| claimed.err().unwrap_or(TokenState::New);
        then(self.0.ledger.claim(token, now), move |claimed| Ok(state(claimed)))
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.0.ledger.state_of(token, now)
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.0.ledger.advance(token, now)
    }

    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
        let Some((record, session)) = self.0.open(ticket, now) else {
            return StoreFuture::ready(Ok(None));
        };
        then(self.0.ledger.has_ended(session, now), |ended| Ok((!ended).then(|| Arc::new(record))))
    }

    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
        let genuine = handle::session_of(&self.0.keys, record.issuer, record.handle);
        let Some((key, session)) = genuine else {
            return StoreFuture::ready(Ok(Touched::default()));
        };
        // What the handle says was signed; what the record says may have changed since.
        let seen = SessionRecord { expires_at: session.expires_at, ..record.seen(now) };
        let renewed = random().and_then(|salt| self.0.seal(key, &salt, &seen));
        match renewed {
            Ok(ticket) => {
                let (ledger, version) = (Arc::clone(&self.0.ledger), record.data.version());
                StoreFuture::boxed(async move {
                    // A cookie whose data has been changed since must not take the new one's place.
                    let is_old = ledger.is_superseded(session, version, now).await?;
                    let goes_on = !is_old && !ledger.has_ended(session, now).await?;
                    Ok(Touched { renewed: goes_on.then_some(ticket) })
                })
            }
            Err(error) => StoreFuture::ready(Err(error)),
        }
    }

    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        let genuine = handle::session_of(&self.0.keys, record.issuer, record.handle);
        let Some((key, session)) = genuine else {
            return StoreFuture::ready(Ok(DataUpdate::Ended));
        };
        let version = record.data.version();
        let new = SessionRecord { expires_at: session.expires_at, data, ..record.seen(now) };
        // What can fail comes first, so that it uses no version up.
        let sealed = random().and_then(|salt| self.0.seal(key, &salt, &new));
        let ledger = Arc::clone(&self.0.ledger);
        match sealed {
            Ok(ticket) => StoreFuture::boxed(async move {
                if ledger.has_ended(session, now).await? {
                    return Ok(DataUpdate::Ended);
                }
                Ok(match ledger.supersede(session, version, now).await? {
                    true => DataUpdate::Stored { renewed: Some(ticket) },
                    false => DataUpdate::conflict(None),
                })
            }),
            Err(error) => StoreFuture::ready(Err(error)),
        }
    }

    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
        match handle::session_of(&self.0.keys, issuer, handle) {
            Some((_, session)) => self.0.ledger.end(session, now),
            None => StoreFuture::ready(Ok(false)),
        }
    }

    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
        self.0.ledger.end_all(issuer, self.0.max_lifetime, now)
    }

    fn sessions_of(&self, _: Issuer, _: PageRequest, _: Timestamp) -> StoreFuture<SessionPage> {
        StoreFuture::ready(Err(StoreError::Unsupported))
    }

    fn lists_sessions(&self) -> bool {
        false
    }

    fn ready(&self) -> StoreFuture<()> {
        self.0.ledger.ready()
    }
}

/// A session that can be made, if its token is new.
struct Draft {
    salt: Salt,
    random: [u8; 4],
}

impl Draft {
    fn new(shared: &Shared, session: &NewSession) -> Result<Self, StoreError> {
        if matches!(session.limit, SessionLimit::AtMost(_)) {
            return Err(StoreError::Unsupported);
        }
        let size = shared.cookie_len(session.data.size());
        if size > MAX_COOKIE_LEN {
            return Err(StoreError::TooLarge { size, limit: MAX_COOKIE_LEN });
        }
        Ok(Self { salt: random()?, random: random()? })
    }
}

impl Shared {
    async fn mint(
        &self,
        session: NewSession,
        draft: Draft,
        now: Timestamp,
    ) -> Result<Minted, StoreError> {
        let birth = match self.ledger.claim(session.token, now).await? {
            Ok(birth) => birth,
            Err(state) => return Ok(Minted::refused(state)),
        };
        if let Some((issuer, handle)) = session.replaces
            && let Some((_, replaced)) = handle::session_of(&self.keys, issuer, handle)
        {
            self.ledger.end(replaced, now).await?;
        }
        let (key, issuer) = (self.keys.newest(), session.token.issuer);
        let expires_at = session.expires_at.min(now.plus(self.max_lifetime));
        let handle = HandleParts { birth, expires_at, random: draft.random }.sign(key, issuer);
        let record = SessionRecord::new(handle, issuer, now, expires_at, session.data);
        let ticket = self.seal(key, &draft.salt, &record)?;
        Ok(Minted::Session { ticket, record: Arc::new(record) })
    }

    /// Under the key of its handle, which is the one that made it.
    fn seal(
        &self,
        key: &SealingKey,
        salt: &Salt,
        record: &SessionRecord,
    ) -> Result<Ticket, StoreError> {
        let size = self.cookie_len(record.data.size());
        envelope::seal(key, &self.cookie, salt, payload::write(record))
            .ok_or(StoreError::TooLarge { size, limit: MAX_COOKIE_LEN })
    }

    fn open(&self, ticket: &str, now: Timestamp) -> Option<(SessionRecord, SealedSession)> {
        // What no cookie of ours can be is not even decoded.
        if ticket.len() > MAX_COOKIE_LEN {
            return None;
        }
        let record = envelope::open(&self.keys, &self.cookie, ticket, payload::read)?;
        // What was ended is remembered for no longer than this.
        if record.created_at.plus(self.max_lifetime) <= now {
            return None;
        }
        let session = HandleParts::read(&record.handle)?.session(record.issuer, record.handle);
        Some((record, session))
    }

    /// Bytes of the whole cookie, for data of this size.
    fn cookie_len(&self, data: usize) -> usize {
        let value = envelope::sealed_len(payload::FIXED_LEN.saturating_add(data));
        let around = self.cookie.len() + "=".len() + ATTRIBUTES.len();
        value.saturating_add(around)
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StoreError::Randomness)?;
    Ok(bytes)
}

/// Goes on with an answer: at once if it is there, so that a ledger in memory
/// costs a request no allocation.
fn then<T, U>(
    answer: StoreFuture<T>,
    next: impl FnOnce(T) -> Result<U, StoreError> + Send + 'static,
) -> StoreFuture<U>
where
    T: Send + Unpin + 'static,
{
    match answer.try_now() {
        Ok(answer) => StoreFuture::ready(answer.and_then(next)),
        Err(waiting) => StoreFuture::boxed(async move { next(waiting.await?) }),
    }
}
