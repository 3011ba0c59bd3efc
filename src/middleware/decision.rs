//! What becomes of a request, now or after waiting.

use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;

use super::{Rejection, Session, observe};

/// What becomes of a request.
pub(super) struct Decision {
    pub(super) verdict: Result<Option<Session>, Rejection>,
    pub(super) cookie: CookieChange,
    /// The challenge was used: the response takes its cookie away.
    pub(super) clear_challenge: bool,
}

/// What the response says about the session cookie.
#[derive(Debug, PartialEq)]
pub(super) enum CookieChange {
    Keep,
    Set(HeaderValue),
    Clear,
}

/// A decision: there already, or on its way.
pub(super) enum Deciding {
    Done(Decision),
    Waiting(WaitingDecision),
}

pub(super) type WaitingDecision = Pin<Box<dyn Future<Output = Decision> + Send>>;

impl Decision {
    pub(super) const fn pass(session: Session) -> Self {
        Self { verdict: Ok(Some(session)), cookie: CookieChange::Keep, clear_challenge: false }
    }

    pub(super) const fn anonymous() -> Self {
        Self { verdict: Ok(None), cookie: CookieChange::Keep, clear_challenge: false }
    }

    /// The cookie stays: a token that is refused says nothing about it.
    pub(super) const fn reject(rejection: Rejection) -> Self {
        Self { verdict: Err(rejection), cookie: CookieChange::Keep, clear_challenge: false }
    }
}

impl Deciding {
    pub(super) const fn done(decision: Decision) -> Self {
        Self::Done(decision)
    }

    pub(super) fn waiting(decision: impl Future<Output = Decision> + Send + 'static) -> Self {
        Self::Waiting(Box::pin(observe::waiting(decision)))
    }
}
