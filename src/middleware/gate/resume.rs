//! A cookie without a token: is its session alive?

use std::sync::Arc;

use http::request::Parts;

use super::super::cookie_change::CookieChange;
use super::super::decision::{Deciding, Decision};
use super::super::{Rejection, observe};
use super::Gate;
use crate::did::Timestamp;
use crate::session::{SessionRecord, StoreError};

impl Gate {
    pub(super) fn decide_cookie(
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
            Ok(loaded) => match self.living(loaded, now) {
                Ok(record) if self.lifetimes_of(&record).refresh_due(&record, now) => {
                    let gate = Arc::clone(self);
                    Deciding::waiting(async move { gate.refresh(record, now).await })
                }
                Ok(record) => Deciding::Done(Decision::pass(self.session(record))),
                Err(rejection) => Deciding::Done(self.without_session(rejection, required)),
            },
            Err(loading) => {
                let gate = Arc::clone(self);
                Deciding::waiting(async move {
                    match gate.living(loading.await, now) {
                        Ok(record) => gate.use_session(record, now).await,
                        Err(rejection) => gate.without_session(rejection, required),
                    }
                })
            }
        }
    }

    /// Goes on with a session that is alive.
    pub(super) async fn use_session(
        self: Arc<Self>,
        record: Arc<SessionRecord>,
        now: Timestamp,
    ) -> Decision {
        if self.lifetimes_of(&record).refresh_due(&record, now) {
            return self.refresh(record, now).await;
        }
        Decision::pass(self.session(record))
    }

    /// The record of a session that is alive. One that the store has and cannot read is lost:
    /// no later request could use it either, so its user has to be able to sign in again.
    pub(super) fn living(
        &self,
        loaded: Result<Option<Arc<SessionRecord>>, StoreError>,
        now: Timestamp,
    ) -> Result<Arc<SessionRecord>, Rejection> {
        let record = match loaded {
            Ok(found) => found.ok_or(Rejection::UnknownSession)?,
            Err(StoreError::Corrupt(_)) => return Err(Rejection::UnknownSession),
            Err(error) => return Err(error.into()),
        };
        self.lifetimes_of(&record).check(&record, now)?;
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
        let cookie = renewed.and_then(|ticket| self.cookie_of(&ticket, &record, now));
        Decision::pass(self.session(record)).setting(cookie)
    }

    /// An invalid cookie: it is cleared, and where signing in is optional
    /// the request goes on without a session. An unavailable store does neither. Where
    /// no sessions are kept, this layer never set the cookie, so it stays.
    pub(super) fn without_session(&self, rejection: Rejection, required: bool) -> Decision {
        let spoilt = rejection.spoils_cookie();
        let cookie = match spoilt && self.store.keeps_sessions() {
            true => CookieChange::Clear,
            false => CookieChange::Keep,
        };
        let verdict = if spoilt && !required { Ok(None) } else { Err(rejection) };
        Decision { verdict, cookie, ..Decision::anonymous() }
    }
}
