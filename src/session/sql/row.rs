//! A session as a row.

use std::sync::Arc;
use std::time::Duration;

use super::Fault;
use crate::did::{Address, Issuer, Timestamp};
use crate::session::memory::of_clock;
use crate::session::{
    IssuerPage, PageCursor, SessionData, SessionHandle, SessionPage, SessionRecord,
};

/// The columns that make a session, beside those that it is found by.
#[derive(Debug, Default)]
pub(in crate::session) struct Row {
    pub(in crate::session) created_at: f64,
    pub(in crate::session) last_seen: f64,
    pub(in crate::session) expires_at: f64,
    pub(in crate::session) data: Option<String>,
}

impl Row {
    /// The session, or a fault if no session has such times.
    pub(in crate::session) fn read(
        self,
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<SessionRecord, Fault> {
        let time = |seconds| {
            Timestamp::from_secs_f64(seconds)
                .ok_or_else(|| Fault::corrupt("a session in the database has a time that is none"))
        };
        let data = self.data.as_deref().map_or(SessionData::NONE, SessionData::from_text);
        let (created_at, expires_at) = (time(self.created_at)?, time(self.expires_at)?);
        let record = SessionRecord::new(handle, issuer, created_at, expires_at, data);
        Ok(record.seen(time(self.last_seen)?))
    }
}

/// The number that the clock suggests for a new session.
pub(in crate::session) fn place_of(now: Timestamp) -> i64 {
    i64::try_from(of_clock(now)).unwrap_or(i64::MAX)
}

/// A span as databases add it to a time.
pub(in crate::session) fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// A page of issuers, as [`IssuerPage::of_looked_at`] makes it of their addresses.
pub(in crate::session) fn issuers_of(rows: Vec<(Vec<u8>, bool)>) -> Result<IssuerPage, Fault> {
    let read = |(address, lives): (Vec<u8>, bool)| {
        let address = <[u8; 20]>::try_from(address).map_err(|_| Fault::unexpected())?;
        Ok((Issuer::from(Address::from_bytes(address)), lives))
    };
    rows.into_iter().map(read).collect::<Result<_, _>>().map(IssuerPage::of_looked_at)
}

/// A page of sessions of which one more was asked for than it may hold. What cannot be read is told
/// to `unreadable`, and takes up its place; so does what has expired.
pub(in crate::session) fn page_of(
    rows: Vec<(i64, Result<SessionRecord, Fault>)>,
    size: usize,
    now: Timestamp,
    unreadable: impl Fn(&Fault),
) -> SessionPage {
    let has_more = rows.len() > size;
    let (mut sessions, mut last) = (Vec::with_capacity(rows.len()), None);
    for (number, record) in rows.into_iter().take(size) {
        last = u64::try_from(number).ok().map(PageCursor::from_u64);
        match record {
            Ok(record) if record.expires_at > now => sessions.push(Arc::new(record)),
            Ok(_) => {}
            Err(fault) => unreadable(&fault),
        }
    }
    SessionPage::new(sessions, last.filter(|_| has_more))
}
