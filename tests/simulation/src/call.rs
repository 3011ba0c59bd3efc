//! What a node asks of the server, and what it is answered.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tower_didt::store::{TokenMark, TokenState};
use tower_didt::{Issuer, SessionHandle, SessionRecord, Timestamp};

#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// `life`: of the token's mark, or `None` if the token was claimed already.
    Mint {
        token: TokenMark,
        life: Option<Duration>,
        record: SessionRecord,
        replaces: Option<SessionHandle>,
    },
    Claim {
        token: TokenMark,
        life: Duration,
    },
    /// `life`: of the mark of a token that is only seen, where it has to be marked.
    StateOf {
        token: TokenMark,
        life: Option<Duration>,
    },
    Load {
        issuer: Issuer,
        handle: SessionHandle,
    },
    Touch {
        issuer: Issuer,
        handle: SessionHandle,
        now: Timestamp,
    },
    Revoke {
        issuer: Issuer,
        handle: SessionHandle,
    },
    RevokeAll {
        issuer: Issuer,
        now: Timestamp,
    },
}

impl Op {
    pub(crate) const fn issuer(&self) -> Issuer {
        match self {
            Self::Mint { token, .. } | Self::Claim { token, .. } | Self::StateOf { token, .. } => {
                token.issuer
            }
            Self::Load { issuer, .. }
            | Self::Touch { issuer, .. }
            | Self::Revoke { issuer, .. }
            | Self::RevokeAll { issuer, .. } => *issuer,
        }
    }

    /// Whether it may be sent again when its answer was lost, as in the stores that there are.
    pub(crate) const fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Mint { .. } | Self::Claim { .. })
    }

    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Mint { .. } => "mint",
            Self::Claim { .. } => "claim",
            Self::StateOf { .. } => "state_of",
            Self::Load { .. } => "load",
            Self::Touch { .. } => "touch",
            Self::Revoke { .. } => "revoke",
            Self::RevokeAll { .. } => "revoke_all",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    State(TokenState),
    Loaded(Option<Arc<SessionRecord>>),
    Found(bool),
    /// The server refuses: it is no master.
    ReadOnly,
    /// The connection was lost before the answer came.
    Lost,
}

/// Where an answer is put.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    answer: Arc<Mutex<Option<Reply>>>,
    waiter: Weak<()>,
}

impl Slot {
    /// A place, and what whoever waits for the answer holds for as long.
    pub(crate) fn new() -> (Self, Arc<()>) {
        let waiter = Arc::new(());
        (Self { answer: Arc::default(), waiter: Arc::downgrade(&waiter) }, waiter)
    }

    pub(crate) fn put(&self, reply: Reply) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    }

    pub(crate) fn take(&self) -> Option<Reply> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_awaited(&self) -> bool {
        self.waiter.strong_count() > 0
    }
}

/// A question on its way, and the request that waits for its answer.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) slot: Slot,
    pub(crate) request: u64,
}
