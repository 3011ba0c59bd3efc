//! What should happen: sessions as a list, tokens as a list, no cleverness.

use std::collections::HashMap;

/// Whom a session or a token belongs to.
pub(crate) type User = usize;
/// Counts the sessions ever minted.
pub(crate) type SessionId = usize;
/// Counts the tokens ever issued.
pub(crate) type TokenId = usize;

pub(crate) const ABSOLUTE: i64 = 1000;
pub(crate) const IDLE: i64 = 200;
/// A tenth of the idle timeout.
pub(crate) const REFRESH: i64 = 20;
pub(crate) const MAX_TOKEN_AGE: i64 = 300;
pub(crate) const CLOCK_LEEWAY: i64 = 300;

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) user: User,
    created: i64,
    pub(crate) last_seen: i64,
    revoked: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Token {
    pub(crate) user: User,
    pub(crate) issued: i64,
    used: bool,
    /// Whether it was presented while it was valid.
    seen: bool,
    revoked: bool,
    /// A store need not know that it was presented, and may take it for revoked or not.
    perhaps_revoked: bool,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It passes with a new session.
    Minted(SessionId),
    /// It passes with the session of its cookie.
    Resumed(SessionId),
    /// It passes by its token alone.
    ByToken(User),
    /// It does not pass.
    Refused,
    /// The store did not answer.
    Unavailable,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    now: i64,
    /// The latest time that the clock ever showed.
    latest: i64,
    single_use: bool,
    pub(crate) cap: Option<usize>,
    /// In the order of their making.
    pub(crate) sessions: Vec<Session>,
    pub(crate) tokens: Vec<Token>,
    /// Until when the tokens of a user were issued that are revoked.
    revoked_until: HashMap<User, i64>,
}

impl Reference {
    pub(crate) fn new(cap: Option<usize>, single_use: bool) -> Self {
        Self { cap, single_use, ..Self::default() }
    }

    pub(crate) fn issue(&mut self, user: User, ahead: i64) -> TokenId {
        let issued = self.now + ahead;
        self.tokens.push(Token { user, issued, ..Token::default() });
        self.tokens.len() - 1
    }

    pub(crate) fn move_clock(&mut self, by: i64) {
        self.now += by;
        self.latest = self.latest.max(self.now);
    }

    pub(crate) const fn now(&self) -> i64 {
        self.now
    }

    /// Whether a store may take this token for used though it is not: it had expired before
    /// the clock went backwards, and stores may forget which of those were used.
    pub(crate) fn may_count_as_used(&self, token: TokenId) -> bool {
        self.tokens[token].issued + MAX_TOKEN_AGE < self.latest
    }

    /// Whether a store may take this token for revoked or not: see [`revoke_all`](Self::revoke_all).
    pub(crate) fn may_count_as_revoked(&self, token: TokenId) -> bool {
        self.tokens[token].perhaps_revoked
    }

    pub(crate) fn count_as_revoked(&mut self, token: TokenId) {
        self.tokens[token].revoked = true;
    }

    fn is_revoked(&self, token: TokenId) -> bool {
        let Token { user, issued, revoked, .. } = self.tokens[token];
        revoked || self.revoked_until.get(&user).is_some_and(|until| issued <= *until)
    }

    pub(crate) fn count_as_used(&mut self, token: TokenId) {
        self.tokens[token].used = true;
    }

    /// A request with a token, perhaps with a cookie beside it. `writable`: as below.
    pub(crate) fn present(
        &mut self,
        token: TokenId,
        cookie: Option<SessionId>,
        writable: bool,
    ) -> Outcome {
        if !self.is_valid(token) || self.is_revoked(token) {
            return Outcome::Refused;
        }
        self.tokens[token].seen = true;
        let Token { user, used, .. } = self.tokens[token];
        if self.single_use && used {
            return Outcome::Refused;
        }
        let previous = cookie.filter(|session| self.is_alive(*session));
        if let Some(session) = previous.filter(|session| self.sessions[*session].user == user) {
            self.tokens[token].used |= self.single_use;
            return self.resume(session, writable);
        }
        if used {
            return Outcome::ByToken(user);
        }
        self.tokens[token].used = true;
        if let Some(session) = previous {
            self.sessions[session].revoked = true;
        }
        let mut kept = self.kept_of(user);
        while self.cap.is_some_and(|cap| kept.len() >= cap) {
            self.sessions[kept.remove(0)].revoked = true;
        }
        let now = self.now;
        self.sessions.push(Session { user, created: now, last_seen: now, revoked: false });
        Outcome::Minted(self.sessions.len() - 1)
    }

    /// A request with a cookie alone. `writable`: its use can be written down.
    pub(crate) fn resume(&mut self, session: SessionId, writable: bool) -> Outcome {
        if !self.is_alive(session) {
            return Outcome::Refused;
        }
        let seen = &mut self.sessions[session].last_seen;
        if writable && *seen + REFRESH <= self.now {
            *seen = self.now;
        }
        Outcome::Resumed(session)
    }

    pub(crate) fn revoke(&mut self, session: SessionId) {
        self.sessions[session].revoked = true;
    }

    pub(crate) fn revoke_all(&mut self, user: User) {
        for session in self.sessions.iter_mut().filter(|session| session.user == user) {
            session.revoked = true;
        }
        // Tokens dated ahead end if they were presented. After the clock went backwards a store may
        // have dropped what it knew of those whose time had come, if they were not used or have expired.
        let here = |token: &&mut Token| token.user == user && token.seen && token.issued > self.now;
        for token in self.tokens.iter_mut().filter(here) {
            let is_kept = token.used && token.issued + MAX_TOKEN_AGE >= self.latest;
            match self.latest < token.issued || is_kept {
                true => token.revoked = true,
                false => token.perhaps_revoked = true,
            }
        }
        let until = self.revoked_until.entry(user).or_insert(self.now);
        *until = (*until).max(self.now);
    }

    pub(crate) fn is_valid(&self, token: TokenId) -> bool {
        let issued = self.tokens[token].issued;
        issued <= self.now + CLOCK_LEEWAY && self.now <= issued + MAX_TOKEN_AGE
    }

    pub(crate) fn is_alive(&self, session: SessionId) -> bool {
        let Session { created, last_seen, revoked, .. } = self.sessions[session];
        !revoked && self.now < created + ABSOLUTE && self.now < last_seen + IDLE
    }

    /// The user's living sessions, oldest first.
    pub(crate) fn alive_of(&self, user: User) -> Vec<SessionId> {
        self.kept_of(user).into_iter().filter(|session| self.is_alive(*session)).collect()
    }

    /// The user's sessions that nobody ended; they may have timed out. A store need not
    /// know the timeouts, so these count against the cap.
    fn kept_of(&self, user: User) -> Vec<SessionId> {
        let of_user = |session: &SessionId| self.sessions[*session].user == user;
        let sessions = (0..self.sessions.len()).filter(of_user);
        sessions.filter(|session| !self.sessions[*session].revoked).collect()
    }
}
