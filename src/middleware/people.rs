//! Looks up who is behind an issuer, if Magic is asked: at sign-in, and for handlers afterwards.
//!
//! Only this file knows whether the feature `magic` is on, but for the words of rejections.

#[cfg(feature = "magic")]
use std::sync::Arc;

use http::Extensions;

#[cfg(feature = "magic")]
use super::MagicSignIn;
use super::{Rejection, Session};
use crate::did::{Issuer, Timestamp};
#[cfg(feature = "magic")]
use crate::magic::{MagicError, MagicUser};
use crate::session::SessionData;

/// Where to look people up, if anywhere.
#[derive(Clone, Debug, Default)]
pub(super) struct People(#[cfg(feature = "magic")] pub(super) Option<MagicSignIn>);

/// What is known about someone who signs in.
#[derive(Clone, Debug, Default)]
pub(super) struct Person(#[cfg(feature = "magic")] pub(super) Option<MagicUser>);

impl People {
    /// Whether Magic is asked at all.
    pub(super) const fn is_asked(&self) -> bool {
        #[cfg(feature = "magic")]
        return self.0.is_some();
        #[cfg(not(feature = "magic"))]
        false
    }

    /// Looks up who signs in, or why they must not.
    pub(super) async fn look_up(
        &self,
        issuer: Issuer,
        now: Timestamp,
    ) -> Result<Person, Rejection> {
        #[cfg(feature = "magic")]
        if let Some(asked) = &self.0 {
            let answer = match asked.magic.known(issuer, now) {
                Some(known) => known,
                None => asked.magic.ask(issuer, now).await,
            };
            return match answer {
                Ok(user) => Ok(Person(Some(user))),
                Err(MagicError::NoSuchUser) if asked.admits_unknown => Ok(Person(None)),
                Err(MagicError::NoSuchUser) => Err(Rejection::NoSuchUser),
                Err(_) if asked.admits_while_unavailable => Ok(Person(None)),
                Err(error) => Err(Rejection::MagicUnavailable(Arc::new(error))),
            };
        }
        let _ = (issuer, now);
        Ok(Person::default())
    }

    /// The profile for the handlers of a request: the session's own, or a newer one where that is
    /// due. Never waits, and never calls Magic on the way of the request.
    #[cfg(feature = "magic")]
    pub(super) fn of_session(
        &self,
        session: &Session,
        now: impl FnOnce() -> Timestamp,
    ) -> Option<MagicUser> {
        let asked = self.0.as_ref()?;
        let issuer = session.issuer();
        let kept = session
            .with_attached(|data| data.profile(|json| MagicUser::from_session(issuer, json).ok()));
        let now = now();
        // What Magic said later: that there is no such user any more.
        let kept = kept.filter(|user| !asked.magic.is_gone(user));
        if kept.as_ref().is_some_and(|user| now.since(user.asked_at()) < asked.renew_after) {
            return kept;
        }
        match (asked.magic.newest(issuer, now), kept) {
            (Some(newest), Some(kept)) if newest.asked_at() < kept.asked_at() => Some(kept),
            (Some(newest), _) => Some(newest),
            (None, kept) => kept,
        }
    }

    /// Tells handlers who is signed in, replacing any other value.
    pub(super) fn introduce(
        &self,
        session: Option<&Session>,
        extensions: &mut Extensions,
        now: impl FnOnce() -> Timestamp,
    ) {
        #[cfg(feature = "magic")]
        // Where Magic is not asked, somebody else's word about somebody else may be there: that of a
        // layer further out.
        match session.filter(|_| self.is_asked()).and_then(|it| self.of_session(it, now)) {
            Some(user) => drop(extensions.insert(user)),
            None => drop(extensions.remove::<MagicUser>()),
        }
        #[cfg(not(feature = "magic"))]
        let _ = (session, extensions, now);
    }
}

impl Person {
    /// Adds the profile to what the application attached.
    pub(super) fn attach_to(self, data: SessionData) -> Result<SessionData, Rejection> {
        #[cfg(feature = "magic")]
        if let Some(user) = self.0 {
            let json = user
                .to_session()
                .map_err(|error| Rejection::UnusableSessionData(Arc::new(error)))?;
            return Ok(data.with_profile(&json, user));
        }
        Ok(data)
    }
}
