//! What is promised, judged by what people see: answers, and when they came.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_didt::{Issuer, SessionHandle, Timestamp};

use crate::server::{Done, Entry};
use crate::time::{Micros, SECOND, at};

/// The oldest token that is accepted, by the clock of the node that is asked.
pub(crate) const TOKEN_AGE: Micros = 900 * SECOND;

/// How far ahead of a node's clock a token may be dated.
pub(crate) const TOKEN_AHEAD: Micros = 300 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    OneSessionPerToken,
    RevokedHereAtOnce,
    RevokedElsewhereInTime,
    RevokedTokensAtOnce,
    OwnIssuer,
    StaysSignedIn,
    SignsIn,
    Lifetimes,
    TokenTimes,
    Available,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneSessionPerToken => "a token makes one session, ever",
            Self::RevokedHereAtOnce => "a revocation holds at once where it was made",
            Self::RevokedElsewhereInTime => "a revocation holds everywhere within the bound",
            Self::RevokedTokensAtOnce => "sign-out everywhere ends tokens at once on all nodes",
            Self::OwnIssuer => "a session is that of its own issuer",
            Self::StaysSignedIn => "nobody signed in is thrown out",
            Self::SignsIn => "a good token is accepted",
            Self::Lifetimes => "a session ends in time on every clock",
            Self::TokenTimes => "a token ends in time on every clock",
            Self::Available => "while nothing fails, nobody is told that something did",
        })
    }
}

/// A promise that was broken.
#[derive(Clone, Debug)]
pub struct Breach {
    pub promise: Promise,
    pub who: usize,
    /// Where it was broken.
    pub node: Option<usize>,
    pub what: String,
}

/// What a request is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Browse {
        session: usize,
    },
    SignOut {
        session: usize,
    },
    Everywhere {
        session: usize,
    },
    EndOther {
        session: usize,
        victim: usize,
    },
    /// With the cookie of another session beside it, or none.
    SignIn {
        token: usize,
        beside: Option<usize>,
    },
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Browse { .. } => "browses",
            Self::SignOut { .. } => "signs out",
            Self::Everywhere { .. } => "signs out everywhere",
            Self::EndOther { .. } => "ends another session",
            Self::SignIn { .. } => "presents a token",
        }
    }

    pub(crate) const fn session(self) -> Option<usize> {
        match self {
            Self::Browse { session }
            | Self::SignOut { session }
            | Self::Everywhere { session }
            | Self::EndOther { session, .. } => Some(session),
            Self::SignIn { .. } => None,
        }
    }
}

/// A request, as its sender knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) id: u64,
    pub(crate) kind: Kind,
    pub(crate) node: usize,
    /// How far that node's clock is ahead, in microseconds.
    pub(crate) ahead: i64,
    /// How long sessions live by the node's settings.
    pub(crate) lifetime: Micros,
    pub(crate) began: Micros,
}

/// An answer, as its receiver sees it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) caller: Option<(Issuer, Option<SessionHandle>)>,
    /// The cookie's new value; empty where it was taken away.
    pub(crate) cookie: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) who: usize,
    pub(crate) token: usize,
    pub(crate) cookie: Arc<str>,
    handle: SessionHandle,
    began: Micros,
    answered: Micros,
    lifetime: Micros,
    /// Ended alone, when and by which node.
    ended: Option<(Micros, usize)>,
    /// Somebody has tried to end it, or the server has lost it.
    doubtful: bool,
    /// The nodes that let it in lately.
    pub(crate) seen_at: Vec<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) who: usize,
    pub(crate) text: Arc<str>,
    pub(crate) issued_at: Timestamp,
    first_sent: Option<Micros>,
    first_accepted: Option<Micros>,
    cookies: u32,
}

impl Session {
    pub(crate) const fn handle(&self) -> SessionHandle {
        self.handle
    }
}

/// A sign-out everywhere that was tried.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    id: u64,
    node: usize,
    ahead: i64,
    began: Micros,
    /// After this time it has no effect any more.
    until: Micros,
    answered: Option<Micros>,
}

/// The bounds that hold in a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long a revocation may take to hold on other nodes.
    pub elsewhere: Micros,
    /// The largest difference between a clock and the true time.
    pub skew: Micros,
    /// The shortest lifetime of sessions that any node has in its settings.
    pub shortest_lifetime: Micros,
    /// How long a question can be on its way at most.
    pub stall: Micros,
    /// For how long a master that was replaced is believed.
    pub old_master: Micros,
    /// Nothing ever fails.
    pub calm: bool,
}

#[derive(Debug, Default)]
pub struct Counts {
    pub requests: u64,
    pub passed: u64,
    pub refused: u64,
    pub unavailable: u64,
    pub sessions: u64,
    pub revocations: u64,
    pub everywhere: u64,
    pub undone: u64,
    /// The longest time after which a session that had been ended passed on another node.
    pub latest: Micros,
    /// Sessions that passed on another node after they had been ended.
    pub late: u64,
    pub thrown_out_by_old_master: u64,
}

#[derive(Debug)]
pub(crate) struct Ledger {
    bounds: Bounds,
    issuers: Vec<Issuer>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) tokens: Vec<Token>,
    by_handle: HashMap<SessionHandle, usize>,
    attempts: BTreeMap<usize, Vec<Attempt>>,
    /// Writes that were lost before their answers came: of sessions and of requests.
    lost_sessions: HashSet<SessionHandle>,
    lost_requests: HashSet<u64>,
    failovers: Vec<Micros>,
    pub(crate) counts: Counts,
}

impl Ledger {
    pub(crate) fn new(bounds: Bounds, issuers: Vec<Issuer>) -> Self {
        Self {
            bounds,
            issuers,
            sessions: Vec::new(),
            tokens: Vec::new(),
            by_handle: HashMap::new(),
            attempts: BTreeMap::new(),
            lost_sessions: HashSet::new(),
            lost_requests: HashSet::new(),
            failovers: Vec::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn token(&mut self, who: usize, text: String, issued_at: Timestamp) -> usize {
        let text = text.into();
        let (first_sent, first_accepted) = (None, None);
        self.tokens.push(Token { who, text, issued_at, first_sent, first_accepted, cookies: 0 });
        self.tokens.len() - 1
    }

    pub(crate) fn whose(&self, kind: Kind) -> usize {
        match kind {
            Kind::SignIn { token, .. } => self.tokens.get(token).map_or(0, |token| token.who),
            kind => {
                let session = kind.session().and_then(|session| self.sessions.get(session));
                session.map_or(0, |session| session.who)
            }
        }
    }

    /// Notes a request that is about to be sent.
    pub(crate) fn sends(&mut self, sent: &Sent) {
        self.counts.requests += 1;
        let who = self.whose(sent.kind);
        match sent.kind {
            Kind::Browse { .. } => {}
            Kind::SignOut { session } | Kind::EndOther { victim: session, .. } => {
                self.doubt(session);
            }
            Kind::Everywhere { .. } => {
                let until = sent.began + self.bounds.stall;
                let Sent { id, node, ahead, began, .. } = *sent;
                let attempt = Attempt { id, node, ahead, began, until, answered: None };
                let attempts = self.attempts.entry(who).or_default();
                attempts.push(attempt);
                // Whatever an older one has ended was ended by later ones too.
                if attempts.len() > 16 {
                    attempts.remove(0);
                }
            }
            Kind::SignIn { token, beside } => {
                if let Some(token) = self.tokens.get_mut(token) {
                    token.first_sent.get_or_insert(sent.began);
                }
                if let Some(beside) = beside {
                    self.doubt(beside);
                }
            }
        }
    }

    fn doubt(&mut self, session: usize) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.doubtful = true;
        }
    }

    /// Judges an answer.
    pub(crate) fn receives(
        &mut self,
        sent: &Sent,
        answer: &Answer,
        now: Micros,
    ) -> Result<(), Breach> {
        match answer.status {
            200 => self.counts.passed += 1,
            503 => self.counts.unavailable += 1,
            _ => self.counts.refused += 1,
        }
        let who = self.whose(sent.kind);
        let breach = |promise, what: String| {
            let (node, kind) = (sent.node, sent.kind.name());
            Err(Breach {
                promise,
                who,
                node: Some(sent.node),
                what: format!("request {} at node {node} {kind}: {what}", sent.id),
            })
        };
        if answer.status == 503 && self.bounds.calm {
            return breach(Promise::Available, "503".to_owned());
        }
        // A handler that could not sign out has passed all the same.
        if let Some((issuer, _)) = answer.caller
            && self.issuers.get(who) != Some(&issuer)
        {
            return breach(Promise::OwnIssuer, format!("the caller was taken for {issuer}"));
        }
        let judged = match sent.kind {
            Kind::SignIn { token, beside } => self.judge_token(sent, token, beside, answer, now),
            kind => match kind.session() {
                Some(session) => self.judge_session(sent, session, answer, now),
                None => Ok(()),
            },
        };
        if let Err((promise, what)) = judged {
            return breach(promise, what);
        }
        Ok(())
    }

    fn judge_session(
        &mut self,
        sent: &Sent,
        number: usize,
        answer: &Answer,
        now: Micros,
    ) -> Result<(), (Promise, String)> {
        let Some(session) = self.sessions.get(number) else { return Ok(()) };
        if answer.caller.is_some() {
            if answer.caller.and_then(|(_, handle)| handle) != Some(session.handle) {
                return Err((Promise::OwnIssuer, "the cookie opened another session".to_owned()));
            }
            for (ended, node) in self.ends(session) {
                let (promise, bound) = match node == sent.node {
                    true => (Promise::RevokedHereAtOnce, 0),
                    false => (Promise::RevokedElsewhereInTime, self.bounds.elsewhere),
                };
                if sent.began > ended + bound {
                    let late = sent.began - ended;
                    return Err((
                        promise,
                        format!("passed {late} µs after it was ended at node {node}"),
                    ));
                }
                if sent.began > ended {
                    self.counts.late += 1;
                    self.counts.latest = self.counts.latest.max(sent.began - ended);
                }
            }
            let lifetime = session.lifetime.min(sent.lifetime);
            if sent.began > session.answered + lifetime + 2 * self.bounds.skew {
                return Err((Promise::Lifetimes, format!("passed at {}", sent.began)));
            }
            self.note_success(sent, number, answer, now);
        } else if answer.status != 503 && !self.may_have_ended(session, now) {
            if self.is_old_master_believed(now) {
                self.counts.thrown_out_by_old_master += 1;
                self.doubt(number);
            } else {
                let what = format!(
                    "session {number}, begun at {}, was refused with {}",
                    session.answered, answer.status
                );
                return Err((Promise::StaysSignedIn, what));
            }
        }
        Ok(())
    }

    /// When a session was ended for certain, and by which nodes.
    fn ends(&self, session: &Session) -> Vec<(Micros, usize)> {
        let attempts = self.attempts.get(&session.who).map_or(&[][..], Vec::as_slice);
        let everywhere = attempts.iter().filter(|attempt| attempt.began >= session.answered);
        let everywhere =
            everywhere.filter_map(|it| it.answered.map(|answered| (answered, it.node)));
        everywhere.chain(session.ended).collect()
    }

    fn may_have_ended(&self, session: &Session, now: Micros) -> bool {
        let attempts = self.attempts.get(&session.who).map_or(&[][..], Vec::as_slice);
        session.doubtful
            || attempts.iter().any(|attempt| session.began <= attempt.until)
            || now + 2 * self.bounds.skew
                >= session.began + session.lifetime.min(self.bounds.shortest_lifetime)
    }

    fn is_old_master_believed(&self, now: Micros) -> bool {
        self.failovers.last().is_some_and(|at| now <= at + self.bounds.old_master)
    }

    /// What a request has ended that succeeded.
    fn note_success(&mut self, sent: &Sent, number: usize, answer: &Answer, now: Micros) {
        if let Some(session) = self.sessions.get_mut(number)
            && !session.seen_at.contains(&sent.node)
        {
            session.seen_at.push(sent.node);
            if session.seen_at.len() > 8 {
                session.seen_at.remove(0);
            }
        }
        if answer.status != 200 || self.lost_requests.remove(&sent.id) {
            return;
        }
        match sent.kind {
            Kind::SignOut { session } | Kind::EndOther { victim: session, .. } => {
                self.counts.revocations += 1;
                self.end(session, now, sent.node);
            }
            Kind::Everywhere { .. } => {
                self.counts.everywhere += 1;
                let who = self.whose(sent.kind);
                let attempts = self.attempts.entry(who).or_default();
                if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.id == sent.id) {
                    attempt.answered = Some(now);
                    if self.bounds.calm {
                        attempt.until = now;
                    }
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, session: usize, now: Micros, node: usize) {
        if let Some(session) = self.sessions.get_mut(session) {
            session.doubtful = true;
            session.ended.get_or_insert((now, node));
        }
    }

    fn judge_token(
        &mut self,
        sent: &Sent,
        number: usize,
        beside: Option<usize>,
        answer: &Answer,
        now: Micros,
    ) -> Result<(), (Promise, String)> {
        let Some(token) = self.tokens.get(number).cloned() else { return Ok(()) };
        let attempts = self.attempts.get(&token.who).map_or(&[][..], Vec::as_slice);
        let reads = |time: Micros, ahead: i64| at(time.saturating_add_signed(ahead));
        if answer.caller.is_none() {
            let may_be_refused = attempts.iter().any(|attempt| {
                token.first_sent.is_some_and(|sent| sent <= attempt.until)
                    || token.issued_at <= reads(attempt.until, attempt.ahead)
            });
            let clock = reads(sent.began, sent.ahead);
            let is_in_time = clock < token.issued_at.plus(Duration::from_micros(TOKEN_AGE))
                && token.issued_at < clock.plus(Duration::from_micros(TOKEN_AHEAD));
            return match answer.status != 503 && is_in_time && !may_be_refused {
                true => Err((
                    Promise::SignsIn,
                    format!("token {number} was refused with {}", answer.status),
                )),
                false => Ok(()),
            };
        }
        let is_revoked = attempts.iter().any(|attempt| {
            attempt.answered.is_some_and(|answered| answered < sent.began)
                && (token.issued_at <= reads(attempt.began, attempt.ahead)
                    || token.first_accepted.is_some_and(|accepted| accepted <= attempt.began))
        });
        if is_revoked {
            return Err((Promise::RevokedTokensAtOnce, format!("token {number} was accepted")));
        }
        let skew = Duration::from_micros(self.bounds.skew);
        let (oldest, furthest) =
            (Duration::from_micros(TOKEN_AGE), Duration::from_micros(TOKEN_AHEAD));
        let true_time = at(sent.began);
        if true_time > token.issued_at.plus(oldest + skew)
            || token.issued_at > true_time.plus(furthest + skew)
        {
            return Err((Promise::TokenTimes, format!("token {number} was accepted")));
        }
        // What an old master has noted nobody knows later.
        let is_noted = !self.is_old_master_believed(now);
        if let Some(token) = self.tokens.get_mut(number)
            && is_noted
        {
            token.first_accepted.get_or_insert(now);
        }
        let Some(cookie) = answer.cookie.as_ref().filter(|cookie| !cookie.is_empty()) else {
            return Ok(());
        };
        let Some(handle) = answer.caller.and_then(|(_, handle)| handle) else { return Ok(()) };
        if let Some(beside) = beside {
            self.end(beside, now, sent.node);
        }
        let is_lost = self.lost_sessions.contains(&handle);
        if !is_lost && let Some(token) = self.tokens.get_mut(number) {
            token.cookies += 1;
            if token.cookies > 1 {
                return Err((
                    Promise::OneSessionPerToken,
                    format!("token {number} made another session"),
                ));
            }
        }
        self.counts.sessions += 1;
        self.by_handle.insert(handle, self.sessions.len());
        self.sessions.push(Session {
            who: token.who,
            token: number,
            cookie: cookie.as_str().into(),
            handle,
            began: sent.began,
            answered: now,
            lifetime: sent.lifetime,
            ended: None,
            doubtful: is_lost,
            seen_at: vec![sent.node],
        });
        Ok(())
    }

    /// Takes back what a failover has lost: the promises hold for what was kept.
    pub(crate) fn undoes(&mut self, lost: &[Entry], since: Micros, now: Micros) {
        self.failovers.push(now);
        for token in &mut self.tokens {
            token.first_accepted = token.first_accepted.filter(|accepted| *accepted < since);
        }
        for entry in lost {
            self.counts.undone += 1;
            self.lost_requests.insert(entry.request);
            match entry.done {
                Done::Minted(_, handle) => self.undo_session(handle),
                Done::Revoked(handle) => {
                    if let Some(session) = self.by_handle.get(&handle)
                        && let Some(session) = self.sessions.get_mut(*session)
                    {
                        session.ended = None;
                    }
                }
                Done::RevokedAll(issuer) => {
                    let who = self.issuers.iter().position(|of| *of == issuer).unwrap_or(0);
                    for attempt in self.attempts.entry(who).or_default() {
                        if attempt.id == entry.request {
                            attempt.answered = None;
                        }
                    }
                }
                Done::Other => {}
            }
        }
    }

    fn undo_session(&mut self, handle: SessionHandle) {
        self.lost_sessions.insert(handle);
        let Some(number) = self.by_handle.get(&handle).copied() else { return };
        let Some(session) = self.sessions.get_mut(number) else { return };
        session.doubtful = true;
        if let Some(token) = self.tokens.get_mut(session.token) {
            token.cookies = token.cookies.saturating_sub(1);
        }
    }
}
