//! What becomes of a request, now or after waiting.

use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;

use super::cookie_change::CookieChange;
use super::proof_cache::Unproved;
use super::turns::Turn;
use super::{RejectedIssuer, Rejection, Session, observe};
use crate::did::Issuer;

/// What becomes of a request.
pub(super) struct Decision {
    pub(super) verdict: Result<Option<Session>, Rejection>,
    /// Who is rejected, where that has been proved.
    pub(super) rejected: Option<RejectedIssuer>,
    pub(super) cookie: CookieChange,
    /// The challenge was used: the response clears its cookie.
    pub(super) clear_challenge: bool,
    /// There are several session cookies: the response takes away what this host can.
    pub(super) clear_strays: bool,
}

/// A decision: there already, or on its way.
pub(super) enum Deciding {
    Done(Decision),
    Waiting(WaitingDecision),
    /// A signature is to be checked, and it is not its turn.
    Queued(Box<Queued>),
}

/// A token whose signature waits to be checked.
pub(super) struct Queued {
    pub(super) turn: Turn,
    pub(super) token: Unproved,
}

pub(super) type WaitingDecision = Pin<Box<dyn Future<Output = Decision> + Send>>;

impl Decision {
    pub(super) const fn pass(session: Session) -> Self {
        Self::keeping_cookies(Ok(Some(session)))
    }

    pub(super) const fn anonymous() -> Self {
        Self::keeping_cookies(Ok(None))
    }

    /// The cookie stays: a token that is refused says nothing about it.
    pub(super) const fn reject(rejection: Rejection) -> Self {
        Self::keeping_cookies(Err(rejection))
    }

    /// The same of whose token is good as such.
    pub(super) fn reject_issuer(issuer: Issuer, rejection: Rejection) -> Self {
        Self { rejected: Some(RejectedIssuer(issuer)), ..Self::reject(rejection) }
    }

    /// The same, and the browser gets this cookie, if there is one.
    pub(super) fn setting(self, cookie: Option<HeaderValue>) -> Self {
        Self { cookie: cookie.map_or(CookieChange::Keep, CookieChange::Set), ..self }
    }

    const fn keeping_cookies(verdict: Result<Option<Session>, Rejection>) -> Self {
        Self {
            verdict,
            rejected: None,
            cookie: CookieChange::Keep,
            clear_challenge: false,
            clear_strays: false,
        }
    }
}

impl Deciding {
    pub(super) fn waiting(decision: impl Future<Output = Decision> + Send + 'static) -> Self {
        Self::Waiting(Box::pin(observe::waiting(decision)))
    }
}
