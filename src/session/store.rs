//! The contract of every store.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{
    IssuerCursor, IssuerPage, PageRequest, SessionData, SessionHandle, SessionLimit, SessionPage,
    SessionRecord, StoreError, Ticket,
};
#[cfg(feature = "layer")]
use crate::did::Address;
use crate::did::{ClaimDigest, Issuer, Timestamp, VerifiedClaim};

/// Remembers sessions, and which tokens were used.
///
/// A store is shared by all clones of a layer, and often by several machines.
/// It is used as `Arc<dyn SessionStore>`, so its futures own what they need.
///
/// # What every store guarantees
///
/// - **One session per token, ever.** Of any number of [`mint`](Self::mint) and
///   [`claim`](Self::claim) calls with the same [`TokenMark::digest`], in any
///   number of processes, one succeeds. A crash may burn a token; it never makes
///   two sessions of it.
/// - **Gone is gone.** Once a revocation has returned, no [`load`](Self::load)
///   that begins afterwards finds that session, and no [`touch`](Self::touch)
///   brings it back.
/// - **Sign-out everywhere ends tokens too.** Once [`revoke_all`](Self::revoke_all) has returned,
///   every token of that issuer that was issued no later than its `now`, and every one that was
///   presented before, is [`Revoked`](TokenState::Revoked): it makes no session, and no call that
///   begins afterwards says otherwise. A token issued later, and presented for the first time, is
///   new.
/// - **Unsure is an error.** A store that does not know returns [`StoreError`]; it
///   never answers "no such session" or "not used" instead. A session whose record can never be
///   read is [`StoreError::Corrupt`] to [`load`](Self::load), and in the way of nothing else:
///   it can be revoked and replaced, and [`sessions_of`](Self::sessions_of) skips it.
///
/// A store may forget sessions under memory pressure (their users sign in
/// again), but never which tokens were used.
///
/// # Example
///
/// A store around another, which writes down who was signed out everywhere:
///
/// ```
/// use std::sync::Arc;
/// use tower_didt::{Issuer, MemoryStore, SessionHandle, SessionRecord, Timestamp};
/// use tower_didt::store::{
///     DataUpdate, IssuerCursor, IssuerPage, Minted, NewSession, PageRequest, SessionData,
///     SessionPage, SessionStore, StoreFuture, TokenMark, TokenState, Touched,
/// };
///
/// #[derive(Clone, Debug)]
/// struct Audited(Arc<dyn SessionStore>);
///
/// impl SessionStore for Audited {
///     fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()> {
///         let revoking = self.0.revoke_all(issuer, now);
///         StoreFuture::boxed(async move {
///             // An error reaches the caller, so that nobody believes that it was done.
///             revoking.await?;
///             eprintln!("{now}: {issuer} was signed out everywhere");
///             Ok(())
///         })
///     }
///
///     // All else as the store within does it.
///     fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted> {
///         self.0.mint(session, now)
///     }
///     fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
///         self.0.claim(token, now)
///     }
///     fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
///         self.0.state_of(token, now)
///     }
///     fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
///         self.0.advance(token, now)
///     }
///     fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>> {
///         self.0.load(ticket, now)
///     }
///     fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched> {
///         self.0.touch(record, now)
///     }
///     fn update_data(
///         &self,
///         record: &SessionRecord,
///         data: SessionData,
///         now: Timestamp,
///     ) -> StoreFuture<DataUpdate> {
///         self.0.update_data(record, data, now)
///     }
///     fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool> {
///         self.0.revoke(issuer, handle, now)
///     }
///     fn sessions_of(
///         &self,
///         issuer: Issuer,
///         page: PageRequest,
///         now: Timestamp,
///     ) -> StoreFuture<SessionPage> {
///         self.0.sessions_of(issuer, page, now)
///     }
///     // These have defaults, which need not be what the store within says.
///     fn issuers(&self, after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
///         self.0.issuers(after)
///     }
///     fn remembers(&self) -> bool {
///         self.0.remembers()
///     }
///     fn keeps_sessions(&self) -> bool {
///         self.0.keeps_sessions()
///     }
///     fn lists_sessions(&self) -> bool {
///         self.0.lists_sessions()
///     }
///     fn ready(&self) -> StoreFuture<()> {
///         self.0.ready()
///     }
/// }
///
/// # #[cfg(feature = "testing")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // As a test of your own, with the feature `testing`:
/// let make = || async { Audited(Arc::new(MemoryStore::new())) };
/// tower_didt::testing::store_suite::run(make).await;
/// # }
/// # #[cfg(not(feature = "testing"))]
/// # fn main() {}
/// ```
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a session of a token that was never used.
    ///
    /// In this order: claims the token; if it is not [new](TokenState::New), does nothing
    /// more. Revokes the session that is replaced. Where the issuer has as many
    /// sessions as its [limit](NewSession::limit) allows, revokes the oldest, but no more than
    /// [`MAX_ENDED_PER_MINT`](super::MAX_ENDED_PER_MINT) of them at a time. Creates the session,
    /// under a new id.
    fn mint(&self, session: NewSession, now: Timestamp) -> StoreFuture<Minted>;

    /// Marks a token as used without making a session of it. Says what it was before:
    /// [`New`](TokenState::New) the first time.
    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState>;

    /// Says what a token is, and does not use it up. What a later [`mint`](Self::mint) finds may
    /// differ.
    ///
    /// Called to accept a token without making a session of it. A token dated ahead of `now` is
    /// remembered as presented, so that a later [`revoke_all`](Self::revoke_all) ends it too; where
    /// machines share a store, so is one that is dated ahead of another machine's clock.
    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState>;

    /// Notes when a token was issued: `false` if one of the same issuer was noted
    /// before that had been issued later. Never notes a time after `now`, so that a
    /// token from the future cannot lock anyone out. For `Replay::NewestOnly`.
    ///
    /// Here the mark's [`usable_until`](TokenMark::usable_until) is that of every token that was
    /// issued no later: only then may the note be forgotten.
    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool>;

    /// Finds the session of a cookie. `ticket` is the cookie's value just as the
    /// client sent it: anything at all, of any length that HTTP lets through.
    fn load(&self, ticket: &str, now: Timestamp) -> StoreFuture<Option<Arc<SessionRecord>>>;

    /// Writes down that a session is in use. Does nothing if it is gone.
    fn touch(&self, record: &SessionRecord, now: Timestamp) -> StoreFuture<Touched>;

    /// Replaces the data of a session, if nobody has changed it in the meantime.
    ///
    /// `record` is the session as the caller has read it, and `data` is
    /// [what follows](SessionData::changed_to) on `record.data`. Stores `data` if what the session
    /// has equals `record.data`, compared and replaced in one step: of any number of calls with the
    /// same `record`, in any number of processes, one succeeds. Once it has returned, a
    /// [`load`](Self::load) that begins afterwards finds the new data; on other machines within
    /// the time in which they learn of a revocation. Nothing else of the session changes, and one that
    /// was revoked does not come back.
    ///
    /// Where sessions live in their cookies, the new data is in the [new ticket](DataUpdate::Stored),
    /// and the earlier ticket goes on to open the session with the earlier data.
    ///
    /// Defaults to [`StoreError::Unsupported`].
    fn update_data(
        &self,
        record: &SessionRecord,
        data: SessionData,
        now: Timestamp,
    ) -> StoreFuture<DataUpdate> {
        let _ = (record, data, now);
        StoreFuture::ready(Err(StoreError::Unsupported))
    }

    /// Ends one session of an issuer: `true` if there was one.
    fn revoke(&self, issuer: Issuer, handle: SessionHandle, now: Timestamp) -> StoreFuture<bool>;

    /// Ends all sessions of an issuer, and its tokens: those issued no later than `now`, and those
    /// that were presented before. A store that [remembers](Self::remembers) nothing answers
    /// [`StoreError::Forgetful`].
    fn revoke_all(&self, issuer: Issuer, now: Timestamp) -> StoreFuture<()>;

    /// Lists a page of an issuer's sessions, oldest first; none that has expired.
    ///
    /// The order is total and does not change while a session lives. A page costs as much as it
    /// may hold, however many sessions there are, and holds no more than was asked for. Whoever
    /// follows [`SessionPage::next`] to the end sees every session once that lived all the while,
    /// whatever ended and began in the meantime: the session that a cursor was made from too.
    ///
    /// Where [`lists_sessions`](Self::lists_sessions) says no, the answer is
    /// [`StoreError::Unsupported`], never an empty list.
    fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
        now: Timestamp,
    ) -> StoreFuture<SessionPage>;

    /// Lists a page of the issuers that have sessions, for administration: about
    /// [`ISSUERS_PER_PAGE`](super::ISSUERS_PER_PAGE) of them. A page costs as much as it holds, however many
    /// there are. Defaults to [`StoreError::Unsupported`], which is right for stores that do not know, such as
    /// one whose sessions live in their cookies.
    ///
    /// Whoever follows [`IssuerPage::next`](super::IssuerPage::next) to the end sees every issuer that had
    /// sessions all the while at least once.
    fn issuers(&self, _after: Option<IssuerCursor>) -> StoreFuture<IssuerPage> {
        StoreFuture::ready(Err(StoreError::Unsupported))
    }

    /// Whether presenting a token here leaves anything behind. Defaults to yes.
    fn remembers(&self) -> bool {
        true
    }

    /// Whether sessions are ever made here. Defaults to yes for a store that
    /// [remembers](Self::remembers). Where not, a cookie that opens nothing is that of other
    /// routes of the host, and is not taken away.
    fn keeps_sessions(&self) -> bool {
        self.remembers()
    }

    /// Whether this store knows which sessions an issuer has. Defaults to yes.
    ///
    /// One that does not, because sessions live in their cookies, can end them but
    /// neither list nor count them: [`sessions_of`](Self::sessions_of), and a
    /// [`mint`](Self::mint) that limits the number of sessions, answer
    /// [`StoreError::Unsupported`] and change nothing.
    fn lists_sessions(&self) -> bool {
        true
    }

    /// Whether the store can be asked at all, for readiness probes: an error if not. Asks for
    /// nothing that anybody owns, changes nothing, and answers within the store's own
    /// time limit. Defaults to yes, at once: right for a store in memory.
    fn ready(&self) -> StoreFuture<()> {
        StoreFuture::ready(Ok(()))
    }
}

/// What makes a token recognisable without keeping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenMark {
    /// Digest of the signed claim and its issuer.
    pub digest: ClaimDigest,
    /// Whose token it is.
    pub issuer: Issuer,
    /// When the token was issued, in the holder's words.
    pub issued_at: Timestamp,
    /// After this time the token is refused before any store is asked, so its
    /// mark may be forgotten. It follows from the token and from the configuration
    /// that all users of a store share: every presentation of a token has the same.
    pub usable_until: Timestamp,
}

impl TokenMark {
    /// The mark of something that belongs to nobody in particular and is consumed by anyone who
    /// presents it, such as the challenge of a bound login. Its issuer follows from the digest, so
    /// that a store finds the mark wherever it keeps those of an issuer, whoever asks.
    #[cfg(feature = "layer")]
    pub(crate) fn of_anybody(
        digest: [u8; 32],
        issued_at: Timestamp,
        usable_until: Timestamp,
    ) -> Self {
        let issuer = Self::in_nobodys_name(digest);
        Self { digest: ClaimDigest::from_bytes(digest), issuer, issued_at, usable_until }
    }

    /// The token's issuer, or `None` if it [belongs to nobody](Self::of_anybody).
    #[cfg(feature = "layer")]
    #[cfg_attr(
        not(any(feature = "tracing", all(feature = "redis", feature = "sealed"))),
        allow(dead_code, reason = "for logs and for a ledger in Redis")
    )]
    pub(crate) fn owner(&self) -> Option<Issuer> {
        let nobody = Self::in_nobodys_name(*self.digest.as_bytes());
        (self.issuer != nobody).then_some(self.issuer)
    }

    #[cfg(feature = "layer")]
    fn in_nobodys_name(digest: [u8; 32]) -> Issuer {
        let [address @ .., _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Address::from_bytes(address).into()
    }

    /// The mark of a token that is refused after `usable_until`.
    #[must_use]
    pub fn new(claim: &VerifiedClaim, usable_until: Timestamp) -> Self {
        Self {
            digest: claim.signed().digest(),
            issuer: claim.issuer(),
            issued_at: claim.claim().iat(),
            usable_until,
        }
    }
}

/// What a store knows of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenState {
    /// It was not used before.
    New,
    /// It was used before, or the store cannot rule that out.
    Used,
    /// Its issuer signed out everywhere after it was issued, or after it was first presented.
    Revoked,
    /// It is dated ahead of the clock and the store has no room left to remember such tokens.
    /// The same token is accepted once the time at which it claims to be issued has come.
    TooEarly,
}

/// What a session is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewSession {
    /// The token, to be used up.
    pub token: TokenMark,
    /// When the session ends whatever happens.
    pub expires_at: Timestamp,
    /// What the application attached.
    pub data: SessionData,
    /// The session that this one replaces, to be revoked. It may be another issuer's.
    pub replaces: Option<(Issuer, SessionHandle)>,
    /// How many sessions the issuer may have at a time, this one included.
    pub limit: SessionLimit,
}

impl NewSession {
    /// A session that replaces none, with no data and within the default limit of their number.
    #[must_use]
    pub const fn new(token: TokenMark, expires_at: Timestamp) -> Self {
        let limit = SessionLimit::Default;
        Self { token, expires_at, data: SessionData::NONE, replaces: None, limit }
    }

    /// Attaches the application's data.
    #[must_use]
    pub fn with_data(mut self, data: SessionData) -> Self {
        self.data = data;
        self
    }

    /// Revokes this session at the same time.
    #[must_use]
    pub fn replacing(mut self, session: Option<&SessionRecord>) -> Self {
        self.replaces = session.map(|old| (old.issuer, old.handle));
        self
    }

    /// Says how many sessions the issuer may have at a time, this one included.
    #[must_use]
    pub const fn with_limit(mut self, limit: SessionLimit) -> Self {
        self.limit = limit;
        self
    }
}

/// What became of a request for a session.
#[derive(Debug)]
pub enum Minted {
    /// There is a new session.
    Session {
        /// What to put into the cookie.
        ticket: Ticket,
        /// What the store keeps.
        record: Arc<SessionRecord>,
    },
    /// The token was used before.
    AlreadyUsed,
    /// The token's issuer signed out everywhere since: see [`TokenState::Revoked`].
    Revoked,
    /// The token has to wait for its time: see [`TokenState::TooEarly`].
    TooEarly,
    /// This store makes no sessions.
    NotKept,
}

impl Minted {
    /// What becomes of a token that is not new.
    pub(super) const fn refused(state: TokenState) -> Self {
        match state {
            TokenState::New | TokenState::Used => Self::AlreadyUsed,
            TokenState::Revoked => Self::Revoked,
            TokenState::TooEarly => Self::TooEarly,
        }
    }
}

/// What became of writing down that a session is in use.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Touched {
    /// A new value for the cookie, where the session lives in the cookie itself.
    pub renewed: Option<Ticket>,
}

/// What became of a change of a session's data.
#[derive(Debug)]
#[non_exhaustive]
pub enum DataUpdate {
    /// The session has the new data.
    Stored {
        /// A new value for the cookie, where the session lives in the cookie itself.
        renewed: Option<Ticket>,
    },
    /// The session has other data than the caller has read, and keeps it.
    Conflict {
        /// The session as it is now, where the store knows it.
        current: Option<Arc<SessionRecord>>,
    },
    /// There is no such session any more.
    Ended,
}

impl DataUpdate {
    /// The data was stored.
    #[must_use]
    pub const fn stored() -> Self {
        Self::Stored { renewed: None }
    }

    /// The session has other data by now.
    #[must_use]
    pub const fn conflict(current: Option<Arc<SessionRecord>>) -> Self {
        Self::Conflict { current }
    }
}

/// A store's answer: there already, or on its way.
///
/// A store that answers from memory returns [`ready`](Self::ready) and costs no
/// allocation; one that asks a server returns [`boxed`](Self::boxed).
pub struct StoreFuture<T>(Answer<T>);

enum Answer<T> {
    Ready(Option<Result<T, StoreError>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>),
}

impl<T> StoreFuture<T> {
    /// An answer that is there already.
    #[must_use]
    pub const fn ready(answer: Result<T, StoreError>) -> Self {
        Self(Answer::Ready(Some(answer)))
    }

    /// An answer that is on its way.
    #[must_use]
    pub fn boxed(answer: impl Future<Output = Result<T, StoreError>> + Send + 'static) -> Self {
        Self(Answer::Boxed(Box::pin(answer)))
    }

    /// The answer if it is there already, else the future back.
    ///
    /// # Errors
    ///
    /// The future itself, if its answer has to be waited for.
    pub fn try_now(self) -> Result<Result<T, StoreError>, Self> {
        match self.0 {
            Answer::Ready(Some(answer)) => Ok(answer),
            other => Err(Self(other)),
        }
    }
}

impl<T: Unpin> Future for StoreFuture<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Answer::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Answer::Boxed(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for StoreFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Answer::Ready(_) => "StoreFuture(ready)",
            Answer::Boxed(_) => "StoreFuture(boxed)",
        })
    }
}
