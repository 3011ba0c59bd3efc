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

    /// The session has other data from now on than the version that was `read`. Returns whether the
    /// response was made before.
    ///
    /// Several tasks may change one session: what another has made of it meanwhile stays.
    pub(super) fn changed_to(
        &self,
        record: Arc<SessionRecord>,
        cookie: Option<HeaderValue>,
        read: u64,
    ) -> bool {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = changed.as_ref().map(|known| known.record.data.version());
        let is_overtaken =
            known.is_some_and(|known| known != read && known > record.data.version());
        if !is_overtaken {
            *changed = Some(Box::new(Changed { record, cookie }));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::did::{Address, Timestamp};
    use crate::session::{SessionData, SessionHandle};

    fn record(version: u64) -> Arc<SessionRecord> {
        let data = (0..version).fold(SessionData::NONE, |data, _| data.changed_to(&data));
        assert_eq!(data.version(), version);
        Arc::new(SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            Address::from_bytes([7; 20]).into(),
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            data,
        ))
    }

    fn shown(happened: &Happened) -> Option<u64> {
        happened.record().map(|record| record.data.version())
    }

    #[test]
    fn what_another_task_has_made_of_a_change_meanwhile_stays() {
        let happened = Happened::default();
        happened.changed_to(record(1), None, 0);
        happened.changed_to(record(2), HeaderValue::from_str("2").ok(), 1);
        // The first change, and a conflict of another task, are heard of late.
        happened.changed_to(record(1), HeaderValue::from_str("1").ok(), 0);
        assert_eq!(shown(&happened), Some(2));
        let cookie = happened.answered();
        assert!(matches!(cookie, Some(CookieChange::Set(cookie)) if cookie == "2"));
    }

    #[test]
    fn what_the_store_has_replaces_what_was_read_however_old_it_is() {
        let happened = Happened::default();
        happened.changed_to(record(5), None, 4);
        // A database that was restored.
        happened.changed_to(record(3), None, 5);
        assert_eq!(shown(&happened), Some(3));
        happened.changed_to(record(4), None, 3);
        assert_eq!(shown(&happened), Some(4));
    }
}
