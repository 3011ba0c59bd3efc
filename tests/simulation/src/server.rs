//! The server that all nodes share: what the scripts of `RedisStore` and the functions of
//! `PostgresStore` decide, one call at a time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use tower_didt::store::{TokenMark, TokenState};
use tower_didt::{Issuer, SessionHandle, SessionRecord, Timestamp};

use crate::broken::Broken;
use crate::call::{Call, Op, Reply};
use crate::dice::Dice;
use crate::time::{MS, Micros, SECOND, micros};

pub(crate) type Digest = [u8; 32];

/// For how long marks are not seen by others where they are not made in one step.
const SETTLING: Micros = 20 * MS;

#[derive(Clone, Debug, Default)]
struct Account {
    /// How often everything was revoked, and until when tokens were issued that are.
    revoked: u64,
    until: Option<Timestamp>,
    marks: BTreeMap<Digest, Mark>,
    sessions: BTreeMap<SessionHandle, Arc<SessionRecord>>,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    used: bool,
    /// How often everything had been revoked by then.
    count: u64,
    made: Micros,
    expires: Micros,
}

/// What a write has changed, to be told where it is undone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    Minted(Digest, SessionHandle),
    Revoked(SessionHandle),
    RevokedAll(Issuer),
    Other,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) at: Micros,
    pub(crate) done: Done,
    /// The request that asked for it.
    pub(crate) request: u64,
    who: usize,
    before: Account,
}

#[derive(Debug)]
pub(crate) struct Server {
    accounts: Vec<Account>,
    who: Arc<HashMap<Issuer, usize>>,
    /// The latest writes with what was there before, the newest last.
    journal: VecDeque<Entry>,
    /// Writes older than this are on the replica in any case.
    keeps: Micros,
    pub(crate) is_master: bool,
    pub(crate) is_alive: bool,
    pub(crate) paused_until: Micros,
    broken: Option<Broken>,
    /// How many sessions were made of a token, whether or not anybody heard of them.
    minted: HashMap<Digest, u32>,
}

/// The outcome of a call.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) reply: Reply,
    /// Whose sessions have changed, so that others are told.
    pub(crate) changed: Option<usize>,
    /// How many sessions there were ever of the token that one was made of just now.
    pub(crate) minted: u32,
}

impl Server {
    pub(crate) fn new(issuers: &[Issuer], keeps: Micros, broken: Option<Broken>) -> Self {
        Self {
            accounts: vec![Account::default(); issuers.len()],
            who: Arc::new(issuers.iter().enumerate().map(|(who, issuer)| (*issuer, who)).collect()),
            journal: VecDeque::new(),
            keeps,
            is_master: true,
            is_alive: true,
            paused_until: 0,
            broken,
            minted: HashMap::new(),
        }
    }

    /// The replica that takes over, without the writes since `cut`: it, and what was lost.
    pub(crate) fn replica(&self, cut: Micros) -> (Self, Vec<Entry>) {
        let mut replica = Self {
            accounts: self.accounts.clone(),
            who: Arc::clone(&self.who),
            journal: VecDeque::new(),
            keeps: self.keeps,
            is_master: true,
            is_alive: true,
            paused_until: 0,
            broken: self.broken,
            minted: self.minted.clone(),
        };
        let mut lost = Vec::new();
        for entry in self.journal.iter().rev().take_while(|entry| entry.at >= cut) {
            if let Some(account) = replica.accounts.get_mut(entry.who) {
                *account = entry.before.clone();
            }
            if let Done::Minted(digest, _) = entry.done
                && let Some(count) = replica.minted.get_mut(&digest)
            {
                *count -= 1;
            }
            lost.push(Entry {
                at: entry.at,
                done: entry.done,
                request: entry.request,
                who: entry.who,
                before: Account::default(),
            });
        }
        (replica, lost)
    }

    pub(crate) fn who(&self, issuer: Issuer) -> Option<usize> {
        self.who.get(&issuer).copied()
    }

    pub(crate) fn execute(&mut self, call: &Call, now: Micros, dice: &mut Dice) -> Executed {
        let op = &call.op;
        let unchanged = |reply| Executed { reply, changed: None, minted: 0 };
        let Some(who) = self.who(op.issuer()) else { return unchanged(Reply::Loaded(None)) };
        if let Op::Load { handle, .. } = op {
            return unchanged(Reply::Loaded(self.load(who, *handle, dice)));
        }
        if !self.is_master {
            return unchanged(Reply::ReadOnly);
        }
        let broken = self.broken;
        let Some(account) = self.accounts.get_mut(who) else { return unchanged(Reply::Lost) };
        let before = account.clone();
        let (reply, done, changed) = account.write(op, now, broken);
        let mut minted = 0;
        if let Done::Minted(digest, _) = done {
            let count = self.minted.entry(digest).or_default();
            *count += 1;
            minted = *count;
        }
        self.journal.push_back(Entry { at: now, done, request: call.request, who, before });
        while self.journal.front().is_some_and(|entry| entry.at + self.keeps < now) {
            self.journal.pop_front();
        }
        Executed { reply, changed: changed.then_some(who), minted }
    }

    fn load(
        &self,
        who: usize,
        handle: SessionHandle,
        dice: &mut Dice,
    ) -> Option<Arc<SessionRecord>> {
        if self.broken == Some(Broken::MixesSessionsUp) && dice.chance(0.01) {
            let other = self.accounts.get(dice.below(self.accounts.len()))?;
            return other.sessions.values().next().cloned();
        }
        self.accounts.get(who)?.sessions.get(&handle).cloned()
    }
}

impl Account {
    fn state_of(&self, token: &TokenMark, now: Micros, broken: Option<Broken>) -> TokenState {
        if self.until.is_some_and(|until| token.issued_at <= until) {
            return TokenState::Revoked;
        }
        let seen = |mark: &&Mark| {
            let settled = mark.made + SETTLING <= now || broken != Some(Broken::MarksInTwoSteps);
            mark.expires > now && settled
        };
        match self.marks.get(token.digest.as_bytes()).filter(seen) {
            Some(mark) if mark.count < self.revoked => TokenState::Revoked,
            Some(mark) if mark.used => TokenState::Used,
            _ => TokenState::New,
        }
    }

    fn mark(
        &mut self,
        token: &TokenMark,
        used: bool,
        life: std::time::Duration,
        now: Micros,
        broken: Option<Broken>,
    ) {
        let margin = if broken == Some(Broken::MarksWithoutMargin) { 300 * SECOND } else { 0 };
        let expires = now + micros(life).saturating_sub(margin);
        let mark = Mark { used, count: self.revoked, made: now, expires };
        self.marks.retain(|_, mark| mark.expires > now);
        self.marks.insert(*token.digest.as_bytes(), mark);
    }

    fn write(&mut self, op: &Op, now: Micros, broken: Option<Broken>) -> (Reply, Done, bool) {
        match op {
            Op::Mint { token, life, record, replaces } => {
                let state = self.state_of(token, now, broken);
                match (state, life) {
                    (TokenState::New, _) | (TokenState::Used, None) => {}
                    _ => return (Reply::State(state), Done::Other, false),
                }
                if let Some(life) = life {
                    self.mark(token, true, *life, now, broken);
                }
                if let Some(replaced) = replaces {
                    self.sessions.remove(replaced);
                }
                self.sessions.insert(record.handle, Arc::new(record.clone()));
                let done = Done::Minted(*token.digest.as_bytes(), record.handle);
                (Reply::State(TokenState::New), done, true)
            }
            Op::Claim { token, life } => {
                let state = self.state_of(token, now, broken);
                if state != TokenState::New {
                    return (Reply::State(state), Done::Other, false);
                }
                self.mark(token, true, *life, now, broken);
                (Reply::State(state), Done::Other, false)
            }
            Op::StateOf { token, life } => {
                let state = self.state_of(token, now, broken);
                let is_marked = self.marks.contains_key(token.digest.as_bytes());
                if let Some(life) = life
                    && state == TokenState::New
                    && !is_marked
                {
                    self.mark(token, false, *life, now, broken);
                }
                (Reply::State(state), Done::Other, false)
            }
            Op::Touch { handle, now: seen, .. } => {
                let Some(session) = self.sessions.get_mut(handle) else {
                    return (Reply::Found(false), Done::Other, false);
                };
                let later = session.last_seen < *seen;
                *session = Arc::new(session.seen(*seen));
                (Reply::Found(true), Done::Other, later)
            }
            Op::Revoke { handle, .. } => {
                let found = self.sessions.remove(handle).is_some();
                (Reply::Found(found), Done::Revoked(*handle), found)
            }
            Op::RevokeAll { issuer, now: until } => {
                let changed = !self.sessions.is_empty();
                self.sessions.clear();
                if broken != Some(Broken::EverywhereSparesTokens) {
                    self.revoked += 1;
                    self.until = self.until.max(Some(*until));
                }
                (Reply::Found(true), Done::RevokedAll(*issuer), changed)
            }
            Op::Load { .. } => (Reply::Lost, Done::Other, false),
        }
    }
}
