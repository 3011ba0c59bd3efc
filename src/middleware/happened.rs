//! What handlers did to a session while its request was served, and what the response has to say of it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;

use super::cookie_change::CookieChange;
use crate::session::SessionRecord;

/// A handler ended the session.
const SIGNED_OUT: u8 = 1;

/// The session's data is no longer what the request came with.
const CHANGED: u8 = 2;

/// The response has been made: no cookie can be added.
const ANSWERED: u8 = 4;

/// What happened since the request came in. Most requests change nothing, and cost one look.
#[derive(Default)]
pub(super) struct Happened {
    flags: AtomicU8,
    changed: Mutex<Option<Box<Changed>>>,
}

/// The session with other data than the request came with.
struct Changed {
    record: Arc<SessionRecord>,
    /// The cookie that has the new data, where sessions live in their cookies.
    cookie: Option<HeaderValue>,
}

impl Happened {
    /// The session has been ended.
    pub(super) fn signed_out(&self) {
        self.flags.fetch_or(SIGNED_OUT, Ordering::AcqRel);
    }

    /// The session has other data from now on. Returns whether the response was made before.
    pub(super) fn changed_to(
        &self,
        record: Arc<SessionRecord>,
        cookie: Option<HeaderValue>,
    ) -> bool {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        *changed = Some(Box::new(Changed { record, cookie }));
        self.flags.fetch_or(CHANGED, Ordering::AcqRel) & ANSWERED != 0
    }

    /// The session with the data that it was changed to, if it was.
    pub(super) fn record(&self) -> Option<Arc<SessionRecord>> {
        if self.flags.load(Ordering::Acquire) & CHANGED == 0 {
            return None;
        }
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.as_ref().map(|changed| Arc::clone(&changed.record))
    }

    /// The response is being made: what it says about the cookie, where handlers have a say.
    pub(super) fn answered(&self) -> Option<CookieChange> {
        let flags = self.flags.fetch_or(ANSWERED, Ordering::AcqRel);
        if flags & SIGNED_OUT != 0 {
            return Some(CookieChange::Clear);
        }
        if flags & CHANGED == 0 {
            return None;
        }
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.as_ref()?.cookie.clone().map(CookieChange::Set)
    }
}
