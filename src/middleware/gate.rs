//! The order of steps: from a request's head to a decision.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use super::bound_login::{BoundLogin, Presented, Unbound};
use super::credentials::{CookieValue, Credentials};
use super::decision::{CookieChange, Deciding, Decision};
use super::issuer_keys::IssuerKeys;
use super::login::{LoginError, LoginHook};
use super::longest_age::LongestAge;
use super::origin::TrustedOrigins;
use super::proof_cache::ProofCache;
use super::rejection::Responder;
use super::session::Identity;
use super::{Login, Rejection, Replay, Session, SessionCookie, observe};
use crate::{
    Clock, Issuer, Lifetimes, Minted, NewSession, SessionData, SessionRecord, SessionStore,
    StoreError, Timestamp, TokenMark, VerifiedClaim, Verifier,
};

/// Everything that a decision needs. One gate is shared by all clones of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(super) verifier: Verifier,
    pub(super) longest_age: LongestAge,
    pub(super) proofs: ProofCache,
    pub(super) keys: IssuerKeys,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifetimes: Lifetimes,
    pub(super) max_sessions: Option<NonZeroUsize>,
    pub(super) replay: Replay,
    pub(super) cookie: SessionCookie,
    pub(super) origins: TrustedOrigins,
    pub(super) bound_login: BoundLogin,
    pub(super) hook: Option<LoginHook>,
    pub(super) responder: Responder,
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
            return Deciding::Done(Decision::pass(session.clone()));
        }
        let credentials = match Credentials::read(&request.headers, self.cookie.name()) {
            Ok(credentials) => credentials,
            Err(rejection) => return Deciding::Done(Decision::reject(rejection)),
        };
        let now = self.clock.now();
        match (credentials.token, credentials.cookie) {
            (Some(token), cookie) => self.decide_token(token, cookie, request, now),
            (None, CookieValue::Ticket(ticket)) => {
                self.decide_cookie(ticket, request, required, now)
            }
            (None, CookieValue::Ambiguous) => {
                Deciding::Done(self.without_session(Rejection::UnknownSession, required))
            }
            (None, CookieValue::Absent) if required => {
                Deciding::Done(Decision::reject(Rejection::MissingCredentials))
            }
            (None, CookieValue::Absent) => Deciding::Done(Decision::anonymous()),
        }
    }

    /// Lists an issuer's sessions that are alive.
    pub(super) async fn sessions_of(
        &self,
        issuer: Issuer,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let now = self.clock.now();
        let sessions = self.store.sessions_of(issuer, now).await?;
        let alive = |record: &Arc<SessionRecord>| self.lifetimes.check(record, now).is_ok();
        Ok(sessions.into_iter().filter(alive).map(Arc::unwrap_or_clone).collect())
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
            return Deciding::Done(Decision::reject(rejection));
        }
        // The common case, a store that knows at once, costs no allocation.
        match self.store.load(ticket, now).try_now() {
            Ok(loaded) => match self.resume(loaded, required, now) {
                Resumed::Decided(decision) => Deciding::Done(decision),
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
                observe::refresh_failed(&error);
                None
            }
        };
        let cookie = renewed.and_then(|ticket| self.cookie.set(&ticket, &record, now));
        Decision::pass(self.session(record)).setting(cookie)
    }

    /// A cookie that opens nothing: taken away, and where signing in is optional
    /// the request goes on without a session. A store that cannot tell is neither.
    fn without_session(&self, rejection: Rejection, required: bool) -> Decision {
        let cookie =
            if rejection.spoils_cookie() { CookieChange::Clear } else { CookieChange::Keep };
        let verdict =
            if rejection.spoils_cookie() && !required { Ok(None) } else { Err(rejection) };
        Decision { verdict, cookie, clear_challenge: false }
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
            Err(error) => return Deciding::Done(Decision::reject(error.into())),
        };
        if self.store.remembers()
            && let Err(rejection) = self.origins.check_login(request)
        {
            return Deciding::Done(Decision::reject(rejection));
        }
        // The common case, a token alone and nobody to ask, costs no allocation where
        // the store knows at once.
        if cookie == CookieValue::Absent
            && self.hook.is_none()
            && self.replay == Replay::Authenticate
            && self.bound_login.is_off()
        {
            let data = SessionData::NONE;
            let session = self.new_session(&claim, data.clone(), None, now);
            return match self.store.mint(session, now).try_now() {
                Ok(minted) => Deciding::Done(
                    self.minted(claim, data, minted, now).unwrap_or_else(Decision::reject),
                ),
                Err(minting) => {
                    let gate = Arc::clone(self);
                    Deciding::waiting(async move {
                        let minted = minting.await;
                        gate.minted(claim, data, minted, now).unwrap_or_else(Decision::reject)
                    })
                }
            };
        }
        let loading = match cookie {
            CookieValue::Ticket(ticket) => Some(self.store.load(ticket, now)),
            CookieValue::Absent | CookieValue::Ambiguous => None,
        };
        let challenge = self.bound_login.presented(&request.headers, &self.cookie, now);
        let login = self.hook.as_ref().map(|_| Login::new(claim.clone(), request.clone()));
        let gate = Arc::clone(self);
        Deciding::waiting(async move {
            let previous = match loading {
                Some(loading) => loading.await,
                None => Ok(None),
            };
            gate.sign_in(claim, previous, challenge, login, now)
                .await
                .unwrap_or_else(Decision::reject)
        })
    }

    /// A verified token: keeps the issuer's session if the cookie has one, else
    /// makes one, at most once per token.
    async fn sign_in(
        self: Arc<Self>,
        claim: VerifiedClaim,
        previous: Result<Option<Arc<SessionRecord>>, StoreError>,
        challenge: Result<Presented, Unbound>,
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
            self.check_newest(token, now).await?;
            return Ok(Decision::pass(self.session(Arc::clone(record))));
        }

        let challenge = self.bound_login.check(&self.verifier, claim.signed(), challenge)?;
        let data = self.ask_application(login).await?;
        if let Some(challenge) = challenge
            && !self.store.claim(challenge, now).await?
        {
            return Err(Rejection::UnboundLogin(Unbound::ChallengeUsed));
        }
        self.check_newest(token, now).await?;
        let session = self.new_session(&claim, data.clone(), previous.as_deref(), now);
        let minted = self.store.mint(session, now).await;
        let decision = self.minted(claim, data, minted, now)?;
        // Where nothing is remembered, the challenge goes with the next request again.
        let clear_challenge = challenge.is_some() && self.store.remembers();
        Ok(Decision { clear_challenge, ..decision })
    }

    fn new_session(
        &self,
        claim: &VerifiedClaim,
        data: SessionData,
        previous: Option<&SessionRecord>,
        now: Timestamp,
    ) -> NewSession {
        NewSession::new(self.mark(claim), self.lifetimes.end_of_session(now))
            .with_data(data)
            .replacing(previous)
            .with_max_per_issuer(self.max_sessions)
    }

    /// What a mint leads to: a cookie the first time, none afterwards.
    fn minted(
        self: &Arc<Self>,
        claim: VerifiedClaim,
        data: SessionData,
        minted: Result<Minted, StoreError>,
        now: Timestamp,
    ) -> Result<Decision, Rejection> {
        match minted? {
            Minted::Session { ticket, record } => {
                let cookie = self.cookie.set(&ticket, &record, now);
                Ok(Decision::pass(self.session(record)).setting(cookie))
            }
            Minted::AlreadyUsed if self.replay == Replay::SingleUse => Err(Rejection::TokenUsed),
            Minted::AlreadyUsed | Minted::NotKept => {
                let identity = Identity::Token { claim, seen: now, data };
                Ok(Decision::pass(Session::new(Arc::clone(self), identity)))
            }
        }
    }

    /// Notes an accepted token, where only the newest is good.
    async fn check_newest(&self, token: TokenMark, now: Timestamp) -> Result<(), Rejection> {
        if self.replay == Replay::NewestOnly && !self.store.advance(token, now).await? {
            return Err(Rejection::TokenSuperseded);
        }
        Ok(())
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

    /// A used token has to be remembered for as long as any verifier accepts it that
    /// shares the store.
    fn mark(&self, claim: &VerifiedClaim) -> TokenMark {
        TokenMark::new(claim, self.verifier.end_of(claim.claim(), self.longest_age.get()))
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

impl fmt::Debug for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anonymous")
    }
}
