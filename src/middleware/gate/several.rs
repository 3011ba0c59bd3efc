//! Several session cookies of one name: which of them counts?
//!
//! Browsers send the cookies of a host and of its parent domains together, and say nothing of where
//! each comes from (RFC 6265 section 5.4). So what they open decides: the one that opens a living
//! session counts, if exactly one does.

use std::sync::Arc;

use http::request::Parts;

use super::super::Rejection;
use super::super::cookie_change::CookieChange;
use super::super::credentials::{CookieValue, CookieValues};
use super::super::decision::{Deciding, Decision};
use super::{Asked, Gate};
use crate::did::Timestamp;
use crate::session::{SessionRecord, StoreError, StoreFuture};

/// Look-ups of the session cookies of one request: no more than
/// [`MAX_COOKIE_VALUES`](super::super::credentials::MAX_COOKIE_VALUES).
pub(super) type Loading = Vec<StoreFuture<Option<Arc<SessionRecord>>>>;

impl Gate {
    /// Decides by several cookies, without a token.
    pub(super) fn decide_cookies(
        self: &Arc<Self>,
        values: CookieValues<'_>,
        request: &Parts,
        asked: Asked,
        now: Timestamp,
    ) -> Deciding {
        if let Err(rejection) = self.origins.check_cookie_use(request) {
            return Deciding::Done(Decision::reject(rejection));
        }
        let loading = self.load_all(CookieValue::Several(values), now);
        let gate = Arc::clone(self);
        Deciding::waiting(async move {
            match gate.alive(loading, now).await {
                Ok(mut alive) if alive.len() == 1 => match alive.pop() {
                    Some(record) => gate.use_session(record, now).await,
                    None => Decision::anonymous(),
                },
                Ok(_) => {
                    let unknown = gate.without_session(Rejection::UnknownSession, asked.required);
                    let clear_strays = gate.clears_strays(asked);
                    Decision { clear_strays, ..unknown }
                }
                Err(rejection) => gate.without_session(rejection, asked.required),
            }
        })
    }

    /// Looks all values of the cookie up.
    pub(super) fn load_all(&self, cookie: CookieValue<'_>, now: Timestamp) -> Loading {
        let load = |ticket| self.store.load(ticket, now);
        match cookie {
            CookieValue::Absent => Vec::new(),
            CookieValue::One(ticket) => vec![load(ticket)],
            CookieValue::Several(values) => values.texts().map(load).collect(),
        }
    }

    /// The living sessions among those that were looked up, each once.
    pub(super) async fn alive(
        &self,
        loading: Loading,
        now: Timestamp,
    ) -> Result<Vec<Arc<SessionRecord>>, Rejection> {
        let mut alive: Vec<Arc<SessionRecord>> = Vec::new();
        for loading in loading {
            match self.living(loading.await, now) {
                // Two cookies may hold one session: a sealed one has several tickets in its life.
                Ok(record) if alive.iter().any(|known| known.handle == record.handle) => {}
                Ok(record) => alive.push(record),
                Err(rejection) if rejection.spoils_cookie() => {}
                Err(rejection) => return Err(rejection),
            }
        }
        Ok(alive)
    }

    /// Makes room for the session of a new sign-in: of several living ones none counts, and were
    /// they left alive beside it, it would not count either.
    pub(super) async fn end_all_of(
        &self,
        alive: &[Arc<SessionRecord>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for record in alive {
            self.store.revoke(record.issuer, record.handle, now).await?;
        }
        Ok(())
    }

    /// A sign-in whose session could not count, among too many cookies of its name: they are taken
    /// away, as far as this host can, and the next sign-in may succeed.
    pub(super) fn too_many_cookies(&self, asked: Asked) -> Decision {
        Decision {
            cookie: CookieChange::Clear,
            clear_strays: self.clears_strays(asked),
            ..Decision::reject(Rejection::AmbiguousCredentials)
        }
    }

    /// Answers to checks that a gateway makes carry one `Set-Cookie` at most: those of gateways take
    /// the first and lose the others, or join them.
    pub(super) fn clears_strays(&self, asked: Asked) -> bool {
        asked.signs_in && self.store.keeps_sessions()
    }
}
