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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn issuer() -> Issuer {
        Address::from_bytes([1; 20]).into()
    }

    fn read(created_at: f64, last_seen: f64, expires_at: f64) -> Result<SessionRecord, Fault> {
        let row = Row { created_at, last_seen, expires_at, data: None };
        row.read(issuer(), SessionHandle::from_bytes([7; 32]))
    }

    #[test]
    fn a_row_is_read_as_the_session_that_was_written() {
        let data = SessionData::new(&"words").expect("JSON");
        let text = data.text().map(str::to_owned);
        let row = Row { created_at: 10.25, last_seen: 12.5, expires_at: 20.75, data: text };
        let record = row.read(issuer(), SessionHandle::from_bytes([7; 32])).expect("a session");
        assert_eq!(record.created_at.as_secs_f64().to_bits(), 10.25_f64.to_bits());
        assert_eq!(record.last_seen.as_secs_f64().to_bits(), 12.5_f64.to_bits());
        assert_eq!(record.expires_at.as_secs_f64().to_bits(), 20.75_f64.to_bits());
        assert_eq!(record.data, data);
        assert_eq!((record.issuer, record.handle.as_bytes()), (issuer(), &[7; 32]));
        assert_eq!(read(10.0, 9.0, 20.0).expect("a session").last_seen, Timestamp::from_secs(10));
    }

    #[test]
    fn a_time_that_is_none_makes_the_row_unreadable() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for row in [read(bad, 1.0, 2.0), read(1.0, bad, 2.0), read(1.0, 1.0, bad)] {
                assert!(matches!(row, Err(Fault::Corrupt(_))), "{row:?}");
            }
        }
    }

    /// So that a number is not given again where nothing is left of an issuer's earlier sessions.
    #[test]
    fn the_clock_suggests_numbers_that_grow_by_the_microsecond() {
        assert_eq!(place_of(Timestamp::from_secs(1_700_000_000)), 1_700_000_000_000_000);
        let later = Timestamp::from_secs_f64(1_700_000_000.000_5).expect("a time");
        assert_eq!(place_of(later), 1_700_000_000_000_500);
        assert_eq!(place_of(Timestamp::from_secs(-5)), 0);
        // A clock gone mad leaves room for the numbers that follow.
        assert_eq!(place_of(Timestamp::from_secs(i64::MAX)), 1 << 52);
    }

    #[test]
    fn an_address_that_is_none_is_an_answer_of_an_unexpected_kind() {
        let good = (vec![1; 20], true);
        assert!(issuers_of(vec![good.clone()]).is_ok());
        for length in [0, 19, 21] {
            let page = issuers_of(vec![good.clone(), (vec![1; length], true)]);
            assert!(matches!(page, Err(Fault::Unavailable(_))), "{length}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_is_told_and_takes_its_place_on_the_page() {
        let told = RefCell::new(Vec::new());
        let unreadable = |fault: &Fault| told.borrow_mut().push(fault.to_string());
        let rows = || {
            vec![
                (1, read(1.0, 1.0, 20.0)),
                (2, Err(Fault::corrupt("spoilt"))),
                (3, read(1.0, 1.0, 20.0)),
            ]
        };
        // The next page begins behind it.
        let page = page_of(rows(), 2, Timestamp::from_secs(10), unreadable);
        assert_eq!(page.sessions.len(), 1);
        assert_eq!(page.next, Some(PageCursor::from_u64(2)));
        assert_eq!(told.take(), ["spoilt"]);
        let page = page_of(rows(), 3, Timestamp::from_secs(10), unreadable);
        assert_eq!((page.sessions.len(), page.next), (2, None));
        // What has ended by now is not listed.
        let page = page_of(rows(), 3, Timestamp::from_secs(20), unreadable);
        assert!(page.sessions.is_empty());
    }

    #[test]
    fn spans_keep_their_parts_of_a_second() {
        assert_eq!(seconds(Duration::from_millis(1500)).to_bits(), 1.5_f64.to_bits());
    }
}
