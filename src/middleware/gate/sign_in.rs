//! A token, perhaps with a cookie: who signed it, and is a session made of it?

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use super::super::bound_login::Presented;
use super::super::credentials::{CookieValue, cookie_value};
use super::super::decision::{Deciding, Decision, Queued};
use super::super::login::LoginError;
use super::super::people::Person;
use super::super::proof_cache::{Found, Unproved};
use super::super::session::Identity;
use super::super::{BindingFault, Login, Rejection, Replay, Session};
use super::{Asked, Gate};
use crate::did::{Timestamp, TokenError, VerifiedClaim};
use crate::session::{
    Minted, NewSession, SessionData, SessionRecord, StoreError, TokenMark, TokenState,
};

/// What is known about the sender of a verified token.
struct Visitor {
    claim: VerifiedClaim,
    /// The living sessions of the cookies next to the token.
    alive: Result<Vec<Arc<SessionRecord>>, Rejection>,
    cookies: Cookies,
    challenge: Result<Presented, BindingFault>,
    /// The question for the application's hooks, if they want to know of the request.
    login: Option<Login>,
    /// The request asks for a session that is remembered.
    remember: bool,
}

/// How many session cookies came with the token.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cookies {
    AtMostOne,
    Several,
    /// As many as are looked at: one more would not be.
    Full,
}

impl Cookies {
    fn of(cookie: CookieValue<'_>) -> Self {
        match cookie {
            CookieValue::Several(values) if values.is_full() => Self::Full,
            CookieValue::Several(_) => Self::Several,
            CookieValue::One(_) | CookieValue::Absent => Self::AtMostOne,
        }
    }
}

impl Gate {
    pub(super) fn decide_token(
        self: &Arc<Self>,
        token: &[u8],
        cookie: CookieValue<'_>,
        request: &Parts,
        asked: Asked,
        now: Timestamp,
    ) -> Deciding {
        let token = match self.proofs.look_up(&self.verifier, token, now) {
            Ok(Found::Proved(claim)) => {
                return self.decide_claim(claim, cookie, request, asked, now);
            }
            Ok(Found::Unproved(token)) => token,
            Err(error) => return Deciding::Done(Decision::reject(error.into())),
        };
        if let Some(turn) = self.turns.take() {
            return Deciding::Queued(Box::new(Queued { turn, token }));
        }
        match self.proofs.prove(&self.verifier, &self.keys, token, now) {
            Ok(claim) => self.decide_claim(claim, cookie, request, asked, now),
            Err(error) => Deciding::Done(Decision::reject(error.into())),
        }
    }

    /// Goes on with a token whose turn has come. The time is a new one: it may have expired.
    pub(in crate::middleware) fn decide_queued(
        self: &Arc<Self>,
        token: Unproved,
        request: &Parts,
        asked: Asked,
    ) -> Deciding {
        let now = self.clock.now();
        let proved = self.proofs.prove_late(&self.verifier, &self.keys, token, now);
        match proved {
            Ok(claim) => {
                let cookie = cookie_value(&request.headers, self.cookie.name());
                self.decide_claim(claim, cookie, request, asked, now)
            }
            Err(error) => Deciding::Done(Decision::reject(error.into())),
        }
    }

    /// Goes on with a token that is good.
    fn decide_claim(
        self: &Arc<Self>,
        claim: VerifiedClaim,
        cookie: CookieValue<'_>,
        request: &Parts,
        asked: Asked,
        now: Timestamp,
    ) -> Deciding {
        if asked.signs_in
            && self.store.remembers()
            && let Err(rejection) = self.origins.check_login(request)
        {
            return Deciding::Done(Decision::reject_issuer(claim.issuer(), rejection));
        }
        if cookie == CookieValue::Absent && self.asks_nobody() {
            let remember = self.is_asked_to_remember(request);
            return self.decide_plain(claim, remember, asked, now);
        }
        let (loading, cookies) = (self.load_all(cookie, now), Cookies::of(cookie));
        let challenge = self.bound_login.presented(&request.headers, &self.cookie, now);
        let remember = self.is_asked_to_remember(request);
        let login = (self.on_login.is_some() || self.on_sign_in.is_some())
            .then(|| Login::new(claim.clone(), request.clone(), remember));
        let (gate, issuer) = (Arc::clone(self), claim.issuer());
        Deciding::waiting(async move {
            let alive = gate.alive(loading, now).await;
            let visitor = Visitor { claim, alive, cookies, challenge, login, remember };
            let admitted = gate.admit(visitor, asked, now).await;
            admitted.unwrap_or_else(|rejection| Decision::reject_issuer(issuer, rejection))
        })
    }

    /// Whether a verified token is all that it takes.
    fn asks_nobody(&self) -> bool {
        self.on_login.is_none()
            && self.on_sign_in.is_none()
            && self.on_token.is_none()
            && !self.people.is_asked()
            && self.replay == Replay::Authenticate
            && self.bound_login.is_off()
    }

    /// The common case, a token alone and nobody to ask: costs no allocation where the store
    /// knows at once.
    fn decide_plain(
        self: &Arc<Self>,
        claim: VerifiedClaim,
        remember: bool,
        asked: Asked,
        now: Timestamp,
    ) -> Deciding {
        let data = SessionData::NONE;
        if !asked.signs_in {
            return self.decide_without_session(claim, now);
        }
        let session = self.new_session(&claim, data.clone(), None, remember, now);
        let decide = move |gate: &Arc<Self>, minted| {
            let issuer = claim.issuer();
            let decision = gate.minted(claim, data, minted, asked, now);
            decision.unwrap_or_else(|rejection| Decision::reject_issuer(issuer, rejection))
        };
        match self.store.mint(session, now).try_now() {
            Ok(minted) => Deciding::Done(decide(self, minted)),
            Err(minting) => {
                let gate = Arc::clone(self);
                Deciding::waiting(async move { decide(&gate, minting.await) })
            }
        }
    }

    /// The same where no session is wanted: the token passes unless it was revoked.
    fn decide_without_session(self: &Arc<Self>, claim: VerifiedClaim, now: Timestamp) -> Deciding {
        if !self.store.remembers() {
            return Deciding::Done(self.pass_token(claim, SessionData::NONE, now));
        }
        let decide = move |gate: &Arc<Self>, claim: VerifiedClaim, state: Result<_, StoreError>| {
            let state = state.map_err(Rejection::from);
            let passed = state.and_then(|state| check_state(state, claim.claim().iat(), now));
            match passed {
                Ok(_) => gate.pass_token(claim, SessionData::NONE, now),
                Err(rejection) => Decision::reject_issuer(claim.issuer(), rejection),
            }
        };
        match self.store.state_of(self.mark(&claim), now).try_now() {
            Ok(state) => Deciding::Done(decide(self, claim, state)),
            Err(asking) => {
                let gate = Arc::clone(self);
                Deciding::waiting(async move {
                    let state = asking.await;
                    decide(&gate, claim, state)
                })
            }
        }
    }

    /// A verified token: keeps the issuer's session if the cookie has one and nothing else was
    /// asked for, else makes one where the route signs in, at most once per token.
    async fn admit(
        self: Arc<Self>,
        visitor: Visitor,
        asked: Asked,
        now: Timestamp,
    ) -> Result<Decision, Rejection> {
        if self.replay != Replay::Authenticate && !self.store.remembers() {
            return Err(StoreError::Forgetful.into());
        }
        let Visitor { claim, alive, cookies, challenge, login, remember } = visitor;
        let token = self.mark(&claim);
        // Before anything that the token might lead to. Where nothing is remembered, nobody knows.
        let is_new = !self.store.remembers()
            || check_state(self.store.state_of(token, now).await?, token.issued_at, now)?;
        if self.replay == Replay::SingleUse && !is_new {
            return Err(Rejection::TokenUsed);
        }
        // Cookies that open nothing are no reason to refuse a good token. Of several that do, none
        // counts.
        let mut alive = alive?;
        let previous = if alive.len() == 1 { alive.pop() } else { None };
        if let Some(record) = &previous
            && record.issuer == claim.issuer()
            // Of a used token no session can be made: whoever sends it twice keeps the first one.
            && !(asked.signs_in && asked.anew && is_new)
        {
            self.use_up(token, now).await?;
            return Ok(self.use_session(Arc::clone(record), now).await);
        }

        let challenge = self.bound_login.check(&self.verifier, claim.signed(), challenge)?;
        let person = self.people.look_up(claim.issuer(), now).await?;
        let login = login.map(|login| login.by(&person));
        let hooks_choice = login.as_ref().map(Login::hooks_choice);
        let data = self.ask_about_token(&claim, &person, login.as_ref(), now).await?;
        let data = person.clone().attach_to(data)?;
        self.check_size(&data)?;
        if !asked.signs_in {
            self.check_unused(challenge, now).await?;
            self.use_up(token, now).await?;
            return Ok(self.pass_token(claim, data, now));
        }
        if cookies == Cookies::Full && self.store.keeps_sessions() {
            return Ok(self.too_many_cookies(asked));
        }
        if let Some(challenge) = challenge
            && self.store.claim(challenge, now).await? != TokenState::New
        {
            return Err(Rejection::UnboundLogin(BindingFault::ChallengeUsed));
        }
        self.check_newest(token, now).await?;
        self.end_all_of(&alive, now).await?;
        // Of a used token no session begins.
        let attached = match (&self.on_sign_in, login) {
            (Some(hook), Some(login)) if is_new && self.store.keeps_sessions() => {
                let data = person.attach_to(hook.call(login).await?)?;
                self.check_size(&data)?;
                data
            }
            _ => data.clone(),
        };
        let remember = hooks_choice.and_then(|chosen| chosen.get()).unwrap_or(remember);
        let session = self.new_session(&claim, attached, previous.as_deref(), remember, now);
        let minted = self.store.mint(session, now).await;
        let decision = self.minted(claim, data, minted, asked, now)?;
        // Where nothing is remembered, the challenge goes with the next request again.
        let clear_challenge = challenge.is_some() && self.store.remembers();
        let clear_strays = cookies != Cookies::AtMostOne && self.clears_strays(asked);
        Ok(Decision { clear_challenge, clear_strays, ..decision })
    }

    fn new_session(
        &self,
        claim: &VerifiedClaim,
        data: SessionData,
        previous: Option<&SessionRecord>,
        remember: bool,
        now: Timestamp,
    ) -> NewSession {
        self.begin(self.mark(claim), data, remember, now).replacing(previous)
    }

    fn is_asked_to_remember(&self, request: &Parts) -> bool {
        self.remember_me.is_some_and(|remember_me| remember_me.is_asked_by(request))
    }

    /// What a mint leads to: a cookie the first time, none afterwards.
    fn minted(
        self: &Arc<Self>,
        claim: VerifiedClaim,
        data: SessionData,
        minted: Result<Minted, StoreError>,
        asked: Asked,
        now: Timestamp,
    ) -> Result<Decision, Rejection> {
        let issued_at = claim.claim().iat();
        match minted? {
            Minted::Revoked => Err(Rejection::TokenRevoked),
            Minted::TooEarly => Err(too_early(issued_at, now)),
            Minted::Session { ticket, record } => {
                let cookie = self.cookie_of(&ticket, &record, now);
                Ok(Decision::pass(self.session(record)).setting(cookie))
            }
            Minted::AlreadyUsed if self.replay == Replay::SingleUse || asked.session_only => {
                Err(Rejection::TokenUsed)
            }
            Minted::NotKept if asked.session_only => Err(StoreError::Forgetful.into()),
            Minted::AlreadyUsed | Minted::NotKept => Ok(self.pass_token(claim, data, now)),
        }
    }

    /// The token authenticates its request and nothing more.
    fn pass_token(
        self: &Arc<Self>,
        claim: VerifiedClaim,
        data: SessionData,
        now: Timestamp,
    ) -> Decision {
        let max_age = self.verifier.max_age().unwrap_or_else(|| self.longest_age.get());
        let expires_at = self.verifier.end_of(claim.claim(), max_age);
        let identity = Identity::Token { claim, seen: now, expires_at, data };
        Decision::pass(Session::new(Arc::clone(self), identity))
    }

    /// Notes an accepted token that becomes no session, where that matters.
    async fn use_up(&self, token: TokenMark, now: Timestamp) -> Result<(), Rejection> {
        if self.replay == Replay::SingleUse
            && !check_state(self.store.claim(token, now).await?, token.issued_at, now)?
        {
            return Err(Rejection::TokenUsed);
        }
        self.check_newest(token, now).await
    }

    /// Notes an accepted token, where only the newest is good: for as long as one that was
    /// issued earlier, and may live for longer, could come.
    async fn check_newest(&self, token: TokenMark, now: Timestamp) -> Result<(), Rejection> {
        let usable_until = token.issued_at.plus(self.longest_age.get());
        let token = TokenMark { usable_until, ..token };
        if self.replay == Replay::NewestOnly && !self.store.advance(token, now).await? {
            return Err(Rejection::TokenSuperseded);
        }
        Ok(())
    }

    /// A challenge that has not been used to sign in. It stays valid for signing in.
    async fn check_unused(
        &self,
        challenge: Option<TokenMark>,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match challenge {
            Some(challenge) if self.store.state_of(challenge, now).await? == TokenState::Used => {
                Err(Rejection::UnboundLogin(BindingFault::ChallengeUsed))
            }
            _ => Ok(()),
        }
    }

    /// What the application wants to attach to whatever a token does, or its refusal. Asked before
    /// anything is minted, so that a refusal uses no token up.
    async fn ask_about_token(
        &self,
        claim: &VerifiedClaim,
        person: &Person,
        login: Option<&Login>,
        now: Timestamp,
    ) -> Result<SessionData, Rejection> {
        let mut data = SessionData::NONE;
        if let Some(hook) = &self.on_token {
            data = hook.answer(claim, person, self.token_answer_time, now).await?;
        }
        if let (Some(hook), Some(login)) = (&self.on_login, login) {
            data = hook.call(login.clone()).await?;
        }
        Ok(data)
    }

    /// A used token must be remembered as long as any verifier that shares
    /// the store accepts it.
    fn mark(&self, claim: &VerifiedClaim) -> TokenMark {
        TokenMark::new(claim, self.verifier.end_of(claim.claim(), self.longest_age.get()))
    }
}

impl From<LoginError> for Rejection {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Refused(refusal) => Self::Refused(Arc::new(refusal)),
            LoginError::Data(error) => Self::UnusableSessionData(Arc::new(error)),
        }
    }
}

/// Whether a token is new, or why it does not pass at all.
fn check_state(state: TokenState, issued_at: Timestamp, now: Timestamp) -> Result<bool, Rejection> {
    match state {
        TokenState::New => Ok(true),
        TokenState::Used => Ok(false),
        TokenState::Revoked => Err(Rejection::TokenRevoked),
        TokenState::TooEarly => Err(too_early(issued_at, now)),
    }
}

/// The store has no room for a token from the future: it is good when its time has come.
fn too_early(not_before: Timestamp, now: Timestamp) -> Rejection {
    TokenError::NotYetValid { now, not_before, leeway: Duration::ZERO }.into()
}
