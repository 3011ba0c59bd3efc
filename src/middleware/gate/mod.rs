//! The order of steps: from a request's head to a decision.

mod resume;
mod several;
mod sign_in;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;

#[cfg(feature = "axum")]
use super::Answer;
use super::bound_login::BoundLogin;
use super::credentials::{CookieValue, Credentials};
use super::cross_origin::TrustedOrigins;
use super::decision::{Deciding, Decision};
use super::issuer_keys::IssuerKeys;
use super::login::LoginHook;
use super::longest_age::LongestAge;
use super::people::People;
use super::proof_cache::ProofCache;
use super::responder::Responder;
use super::session::Identity;
use super::token_hook::TokenHook;
use super::turns::Turns;
use super::{Rejection, RememberMe, Replay, Session, SessionCookie};
use crate::did::{Clock, DidToken, Issuer, Timestamp, Verifier};
#[cfg(feature = "testing")]
use crate::session::Minted;
use crate::session::{
    Lifetimes, MAX_SESSION_DATA_BYTES, NewSession, PageRequest, SessionData, SessionLimit,
    SessionPage, SessionRecord, SessionStore, StoreError, Ticket, TokenMark,
};

/// Everything that a decision needs. One gate is shared by all clones of a layer.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(super) verifier: Verifier,
    pub(super) longest_age: LongestAge,
    pub(super) proofs: ProofCache,
    pub(super) keys: IssuerKeys,
    pub(super) turns: Turns,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifetimes: Lifetimes,
    /// Sessions that outlive the browser's, if there are any.
    pub(super) remember_me: Option<RememberMe>,
    pub(super) session_limit: SessionLimit,
    pub(super) replay: Replay,
    /// A bearer token that has no DID token's form is the application's.
    pub(super) foreign_bearers: bool,
    pub(super) cookie: SessionCookie,
    pub(super) origins: TrustedOrigins,
    pub(super) bound_login: BoundLogin,
    pub(super) people: People,
    /// Asked about every accepted token, each time.
    pub(super) on_login: Option<LoginHook>,
    /// Asked when a session is about to begin.
    pub(super) on_sign_in: Option<LoginHook>,
    /// Asked about every accepted token; its answers are kept.
    pub(super) on_token: Option<TokenHook>,
    pub(super) token_answer_time: Duration,
    pub(super) responder: Responder,
}

/// What a layer asks of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Rejects requests without credentials.
    pub(super) required: bool,
    /// Makes a session of a new token.
    pub(super) signs_in: bool,
    /// Even if the cookie next to it has a session of the same issuer.
    pub(super) anew: bool,
    /// Rejects a token that became no session.
    pub(super) session_only: bool,
}

/// Put into the extensions of a request that passes without credentials, so that
/// an extractor can distinguish it from a request that no layer has seen.
#[derive(Clone)]
#[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "only an extractor asks"))]
pub(crate) struct Anonymous {
    pub(super) gate: Arc<Gate>,
    /// The layer has answers of its own, which take the request's head as it saw it: a router
    /// further in may have shortened the path.
    pub(super) redirects: bool,
}

impl Anonymous {
    /// The response that a rejection by this gate gets.
    #[cfg(feature = "axum")]
    pub(crate) fn respond(&self, rejection: Rejection, request: &Parts) -> Answer {
        if self.redirects {
            return rejection.into_answer();
        }
        self.gate.responder.respond(rejection, request)
    }
}

impl Gate {
    /// Decides about a request.
    ///
    /// Explicit credentials win: if there is a token, only the token decides whether the request
    /// passes, however good the cookie next to it is.
    pub(super) fn decide(self: &Arc<Self>, request: &Parts, asked: Asked) -> Deciding {
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
        let ours = |token: &&[u8]| !self.foreign_bearers || DidToken::decode(token).is_ok();
        match (credentials.token.filter(ours), credentials.cookie) {
            (Some(token), cookie) => self.decide_token(token, cookie, request, asked, now),
            (None, CookieValue::One(ticket)) => {
                self.decide_cookie(ticket, request, asked.required, now)
            }
            (None, CookieValue::Several(values)) => {
                self.decide_cookies(values, request, asked, now)
            }
            (None, CookieValue::Absent) if asked.required => {
                Deciding::Done(Decision::reject(Rejection::MissingCredentials))
            }
            (None, CookieValue::Absent) => Deciding::Done(Decision::anonymous()),
        }
    }

    /// The limits of a session. Where sessions are no longer remembered, those of all others hold.
    pub(super) fn lifetimes_of(&self, record: &SessionRecord) -> Lifetimes {
        match self.remember_me {
            Some(remember_me) if record.is_remembered() => remember_me.lifetimes(),
            _ => self.lifetimes,
        }
    }

    /// The cookie that hands a session to the browser.
    pub(super) fn cookie_of(
        &self,
        ticket: &Ticket,
        record: &SessionRecord,
        now: Timestamp,
    ) -> Option<HeaderValue> {
        if self.remember_me.is_some() && !record.is_remembered() {
            return self.cookie.set_until_closed(ticket);
        }
        self.cookie.set(ticket, record, now)
    }

    /// What is attached to a session has a bound, whatever the store allows.
    pub(super) fn check_size(&self, data: &SessionData) -> Result<(), StoreError> {
        let (size, limit) = (data.size(), MAX_SESSION_DATA_BYTES);
        if size > limit { Err(StoreError::TooLarge { size, limit }) } else { Ok(()) }
    }

    /// Lists a page of an issuer's sessions that are alive.
    pub(super) async fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
    ) -> Result<SessionPage, StoreError> {
        let now = self.clock.now();
        let mut page = self.store.sessions_of(issuer, page, now).await?;
        page.sessions.retain(|record| self.lifetimes_of(record).check(record, now).is_ok());
        Ok(page)
    }

    /// A session that no request began.
    #[cfg(feature = "testing")]
    pub(super) fn made_session(
        self: &Arc<Self>,
        token: TokenMark,
        data: SessionData,
        remember: bool,
    ) -> Result<Session, StoreError> {
        let now = self.clock.now();
        let session = self.begin(token, data, remember, now);
        match self.store.mint(session, now).try_now() {
            Ok(Ok(Minted::Session { record, .. })) => Ok(self.session(record)),
            Ok(Err(error)) => Err(error),
            _ => Err(StoreError::Unsupported),
        }
    }

    /// What a session is made of that begins `now`.
    fn begin(
        &self,
        token: TokenMark,
        data: SessionData,
        remember: bool,
        now: Timestamp,
    ) -> NewSession {
        let (lifetimes, data) = match self.remember_me {
            Some(remember_me) if remember => (remember_me.lifetimes(), data.remembered()),
            _ => (self.lifetimes, data),
        };
        NewSession::new(token, lifetimes.end_of_session(now))
            .with_data(data)
            .with_limit(self.session_limit)
    }

    fn session(self: &Arc<Self>, record: Arc<SessionRecord>) -> Session {
        Session::new(Arc::clone(self), Identity::Session(record))
    }
}

impl fmt::Debug for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Anonymous")
    }
}
