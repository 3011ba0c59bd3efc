//! The order of steps: from a request's head to a decision.

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response};

use super::credentials::{CookieValue, Credentials};
use super::issuer_keys::IssuerKeys;
use super::login::{LoginError, LoginHook};
use super::origin::TrustedOrigins;
use super::proof_cache::ProofCache;
use super::rejection::Responder;
use super::session::Identity;
use super::{Login, Rejection, Replay, Session, SessionCookie, trace};
use crate::{
    Clock, Issuer, Lifetimes, Minted, NewSession, SessionData, SessionRecord, SessionStore,
    StoreError, Timestamp, TokenMark, VerifiedClaim, Verifier,
};

/// Everything that a decision needs. One gate is shared by all clones of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(super) verifier: Verifier,
    pub(super) max_token_age: Duration,
    pub(super) proofs: ProofCache,
    pub(super) keys: IssuerKeys,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifetimes: Lifetimes,
    pub(super) max_sessions: Option<NonZeroUsize>,
    pub(super) replay: Replay,
    pub(super) cookie: SessionCookie,
    pub(super) origins: TrustedOrigins,
    pub(super) hook: Option<LoginHook>,
    pub(super) responder: Responder,
}

/// What becomes of a request.
pub(super) struct Decision {
    pub(super) verdict: Result<Option<Session>, Rejection>,
    pub(super) cookie: CookieChange,
}

/// What the response says about the session cookie.
#[derive(Debug, PartialEq)]
pub(super) enum CookieChange {
    Keep,
    Set(HeaderValue),
    Clear,
}

/// Put into the extensions of a request that passes without credentials, so that
/// an extractor can tell it from a request that no layer has seen.
#[derive(Clone)]
pub(crate) struct Anonymous(
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only an extractor asks"))]
    pub(super) Arc<Gate>,
);

impl Anonymous {
    /// The response that a rejection by this gate gets.
    #[cfg(feature = "axum")]
    pub(crate) fn respond(&self, rejection: Rejection) -> Response<Bytes> {
        self.0.respond(rejection)
    }
}

/// A decision: there already, or on its way.
pub(super) enum Deciding {
    Done(Option<Decision>),
    Waiting(Pin<Box<dyn Future<Output = Decision> + Send>>),
}

impl Gate {
    /// Decides about a request. With `required`, one without credentials is rejected.
    ///
    /// Explicit credentials win: where there is a token, it alone decides whether
    /// the request passes, however good the cookie beside it is.
    pub(super) fn decide(self: &Arc<Self>, request: &Parts, required: bool) -> Deciding {
        // A layer of this gate has decided already, further out.
        if let Some(session) = request.extensions.get::<Session>()
            && session.is_of(self)
        {
            return Deciding::done(Decision::pass(session.clone()));
        }
        let credentials = match Credentials::read(&request.headers, self.cookie.name()) {
            Ok(credentials) => credentials,
            Err(rejection) => return Deciding::done(Decision::reject(rejection)),
        };
        let now = self.clock.now();
        match (credentials.token, credentials.cookie) {
            (Some(token), cookie) => self.decide_token(token, cookie, request, now),
            (None, CookieValue::Ticket(ticket)) => {
                self.decide_cookie(ticket, request, required, now)
            }
            (None, CookieValue::Ambiguous) => {
                Deciding::done(self.without_session(Rejection::UnknownSession, required))
            }
            (None, CookieValue::Absent) if required => {
                Deciding::done(Decision::reject(Rejection::MissingCredentials))
            }
            (None, CookieValue::Absent) => Deciding::done(Decision::anonymous()),
        }
    }

    /// Lists an issuer's sessions that are alive.
    pub(super) async fn sessions_of(
        &self,
        issuer: Issuer,
    ) -> Result<Vec<Arc<SessionRecord>>, StoreError> {
        let now = self.clock.now();
        let mut sessions = self.store.sessions_of(issuer, now).await?;
        sessions.retain(|record| self.lifetimes.check(record, now).is_ok());
        Ok(sessions)
    }

    /// Turns a rejection into the response that its sender gets.
    pub(super) fn respond(&self, rejection: Rejection) -> Response<Bytes> {
        self.responder.respond(rejection)
    }

    // ---- a cookie alone ------------------------------------------------------------

    fn decide_cookie(
        self: &Arc<Self>,
        ticket: &str,
        request: &Parts,
        required: bool,
        now: Timestamp,
    ) -> Deciding {
        if let Err(rejection) = self.origins.check_cookie_use(request) {
            return Deciding::done(Decision::reject(rejection));
        }
        // The common case, a store that knows at once, costs no allocation.
        match self.store.load(ticket, now).try_now() {
            Ok(loaded) => match self.resume(loaded, required, now) {
                Resumed::Decided(decision) => Deciding::done(decision),
                Resumed::Refresh(record) => {
                    let gate = Arc::clone(self);
                    Deciding::waiting(async move { gate.refresh(record, now).await })
                }
            },
            Err(loading) => {
                let gate = Arc::clone(self);
                Deciding::waiting(async move {
                    match gate.resume(loading.await, required, now) {
                        Resumed::Decided(decision) => decision,
                        Resumed::Refresh(record) => gate.refresh(record, now).await,
                    }
                })
            }
        }
    }

    fn resume(
        self: &Arc<Self>,
        loaded: Result<Option<Arc<SessionRecord>>, StoreError>,
        required: bool,
        now: Timestamp,
    ) -> Resumed {
        Resumed::Decided(match self.living(loaded, now) {
            Ok(record) if self.lifetimes.refresh_due(&record, now) => {
                return Resumed::Refresh(record);
            }
            Ok(record) => Decision::pass(self.session(record)),
            Err(rejection) => self.without_session(rejection, required),
        })
    }

    /// The record of a session that is alive.
    fn living(
        &self,
        loaded: Result<Option<Arc<SessionRecord>>, StoreError>,
        now: Timestamp,
    ) -> Result<Arc<SessionRecord>, Rejection> {
        let record = loaded?.ok_or(Rejection::UnknownSession)?;
        self.lifetimes.check(&record, now)?;
        Ok(record)
    }

    /// Writes down that the session is in use. If that fails, the session is
    /// alive all the same; it may only end by idleness sooner than it should.
    async fn refresh(self: Arc<Self>, record: Arc<SessionRecord>, now: Timestamp) -> Decision {
        let touched = self.store.touch(&record, now).await;
        let renewed = match touched {
            Ok(touched) => touched.renewed,
            Err(error) => {
                trace::refresh_failed(&error);
                None
            }
        };
        let cookie = renewed.and_then(|ticket| self.cookie.set(&ticket, &record, now));
        Decision {
            verdict: Ok(Some(self.session(record))),
            cookie: cookie.map_or(CookieChange::Keep, CookieChange::Set),
        }
    }

    /// A cookie that opens nothing: taken away, and where signing in is optional
    /// the request goes on without a session. A store that cannot tell is neither.
    fn without_session(&self, rejection: Rejection, required: bool) -> Decision {
        let cookie =
            if rejection.spoils_cookie() { CookieChange::Clear } else { CookieChange::Keep };
        let verdict =
            if rejection.spoils_cookie() && !required { Ok(None) } else { Err(rejection) };
        Decision { verdict, cookie }
    }

    // ---- a token, perhaps with a cookie --------------------------------------------

    fn decide_token(
        self: &Arc<Self>,
        token: &[u8],
        cookie: CookieValue<'_>,
        request: &Parts,
        now: Timestamp,
    ) -> Deciding {
        let claim = match self.proofs.verify(&self.verifier, &self.keys, token, now) {
            Ok(claim) => claim,
            Err(error) => return Deciding::done(Decision::reject(error.into())),
        };
        if self.store.keeps_sessions()
            && let Err(rejection) = self.origins.check_login(request)
        {
            return Deciding::done(Decision::reject(rejection));
        }
        let loading = match cookie {
            CookieValue::Ticket(ticket) => Some(self.store.load(ticket, now)),
            CookieValue::Absent | CookieValue::Ambiguous => None,
        };
        let login = self.hook.as_ref().map(|_| Login::new(claim.clone(), request.clone()));
        let gate = Arc::clone(self);
        Deciding::waiting(async move {
            let previous = match loading {
                Some(loading) => loading.await,
                None => Ok(None),
            };
            gate.sign_in(claim, previous, login, now).await.unwrap_or_else(Decision::reject)
        })
    }

    /// A verified token: keeps the issuer's session if the cookie has one, else
    /// makes one, at most once per token.
    async fn sign_in(
        self: Arc<Self>,
        claim: VerifiedClaim,
        previous: Result<Option<Arc<SessionRecord>>, StoreError>,
        login: Option<Login>,
        now: Timestamp,
    ) -> Result<Decision, Rejection> {
        let token = self.mark(&claim);
        if self.replay == Replay::SingleUse && self.store.is_used(token, now).await? {
            return Err(Rejection::TokenUsed);
        }
        // A cookie that opens nothing is no reason to refuse a good token.
        let previous = match self.living(previous, now) {
            Ok(record) => Some(record),
            Err(rejection) if rejection.spoils_cookie() => None,
            Err(rejection) => return Err(rejection),
        };
        if let Some(record) = &previous
            && record.issuer == claim.issuer()
        {
            if self.replay == Replay::SingleUse && !self.store.claim(token, now).await? {
                return Err(Rejection::TokenUsed);
            }
            return Ok(Decision::pass(self.session(Arc::clone(record))));
        }

        let data = self.ask_application(login).await?;
        let session = NewSession::new(token, self.lifetimes.end_of_session(now))
            .with_data(data.clone())
            .replacing(previous.as_deref())
            .with_max_per_issuer(self.max_sessions);
        match self.store.mint(session, now).await? {
            Minted::Session { ticket, record } => {
                let cookie = self.cookie.set(&ticket, &record, now);
                Ok(Decision {
                    verdict: Ok(Some(self.session(record))),
                    cookie: cookie.map_or(CookieChange::Keep, CookieChange::Set),
                })
            }
            Minted::AlreadyUsed if self.replay == Replay::SingleUse => Err(Rejection::TokenUsed),
            Minted::AlreadyUsed | Minted::NotKept => {
                let identity = Identity::Token { claim, seen: now, data };
                Ok(Decision::pass(Session::new(self, identity)))
            }
        }
    }

    /// What the application wants to attach, or its refusal. Asked before anything
    /// is minted, so that a refusal uses no token up.
    async fn ask_application(&self, login: Option<Login>) -> Result<SessionData, Rejection> {
        match (&self.hook, login) {
            (Some(hook), Some(login)) => hook.call(login).await.map_err(|error| match error {
                LoginError::Refused(refusal) => Rejection::Refused(refusal),
                LoginError::Data(error) => Rejection::UnusableSessionData(Arc::new(error)),
            }),
            _ => Ok(SessionData::NONE),
        }
    }

    /// A token is refused from whichever end comes first: its own, or that of the
    /// age that this gate allows. Until then it has to be remembered.
    fn mark(&self, claim: &VerifiedClaim) -> TokenMark {
        let too_old = claim.claim().iat().plus(self.max_token_age);
        TokenMark::new(claim, too_old.min(self.verifier.end_of(claim.claim())))
    }

    fn session(self: &Arc<Self>, record: Arc<SessionRecord>) -> Session {
        Session::new(Arc::clone(self), Identity::Session(record))
    }
}

/// What a loaded session leads to.
enum Resumed {
    Decided(Decision),
    Refresh(Arc<SessionRecord>),
}

impl Decision {
    const fn pass(session: Session) -> Self {
        Self { verdict: Ok(Some(session)), cookie: CookieChange::Keep }
    }

    const fn anonymous() -> Self {
        Self { verdict: Ok(None), cookie: CookieChange::Keep }
    }

    /// The cookie stays: a token that is refused says nothing about it.
    const fn reject(rejection: Rejection) -> Self {
        Self { verdict: Err(rejection), cookie: CookieChange::Keep }
    }
}

impl Deciding {
    fn done(decision: Decision) -> Self {
        Self::Done(Some(decision))
    }

    fn waiting(decision: impl Future<Output = Decision> + Send + 'static) -> Self {
        Self::Waiting(Box::pin(decision))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Decision> {
        match self {
            Self::Done(decision) => decision.take().map_or(Poll::Pending, Poll::Ready),
            Self::Waiting(decision) => Poll::Ready(ready!(decision.as_mut().poll(cx))),
        }
    }
}

impl fmt::Debug for Deciding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deciding")
    }
}

impl fmt::Debug for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anonymous")
    }
}
