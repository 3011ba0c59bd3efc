//! A session as bytes: what an envelope holds.

use super::handle::HandleParts;
use crate::did::{Address, Issuer, Timestamp};
use crate::session::{SessionData, SessionHandle, SessionRecord};

/// Bytes of a session without its data.
pub(super) const FIXED_LEN: usize = 32 + Address::LEN + 8 + 8;

/// Writes a session.
///
/// ```text
/// 0        32        52        60           68
/// │ handle │ address │ created │ last seen  │ data, as JSON text, or nothing
/// ```
///
/// The times are big-endian 64-bit floats, as everywhere here, so they come back
/// exactly; the session's end stands in the handle. Not JSON: it would take
/// 200 bytes more, of the 4 KiB that a cookie has.
pub(super) fn write(record: &SessionRecord) -> Vec<u8> {
    let data = record.data.text().unwrap_or_default();
    let mut bytes = Vec::with_capacity(FIXED_LEN + data.len());
    bytes.extend_from_slice(record.handle.as_bytes());
    bytes.extend_from_slice(record.issuer.address().as_bytes());
    for time in [record.created_at, record.last_seen] {
        bytes.extend_from_slice(&time.as_secs_f64().to_be_bytes());
    }
    bytes.extend_from_slice(data.as_bytes());
    bytes
}

/// Reads a session back; `None` for anything that [`write`] could not have written.
pub(super) fn read(bytes: &[u8]) -> Option<SessionRecord> {
    let (handle, bytes) = bytes.split_first_chunk()?;
    let (address, bytes) = bytes.split_first_chunk()?;
    let (created_at, bytes) = bytes.split_first_chunk()?;
    let (last_seen, data) = bytes.split_first_chunk()?;
    let time = |bytes: &[u8; 8]| Timestamp::from_secs_f64(f64::from_be_bytes(*bytes));
    let handle = SessionHandle::from_bytes(*handle);
    let mut record = SessionRecord::new(
        handle,
        Issuer::from(Address::from_bytes(*address)),
        time(created_at)?,
        HandleParts::read(&handle)?.expires_at,
        SessionData::from_text(std::str::from_utf8(data).ok()?),
    );
    record.last_seen = time(last_seen)?;
    Some(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SealingKeys;
    use crate::session::sealed::ledger::Birth;

    fn record(data: SessionData) -> SessionRecord {
        let issuer = Issuer::from(Address::from_bytes([3; 20]));
        let expires_at = Timestamp::from_secs_f64(1_700_003_600.123).expect("a time");
        let parts = HandleParts { birth: Birth::from_u64(5), expires_at, random: [7; 4] };
        let keys = SealingKeys::generate().expect("randomness");
        let created_at = Timestamp::from_secs_f64(1_700_000_000.001).expect("a time");
        let handle = parts.sign(keys.newest(), issuer);
        SessionRecord::new(handle, issuer, created_at, expires_at, data)
            .seen(Timestamp::from_secs_f64(1_700_000_100.7).expect("a time"))
    }

    #[test]
    fn a_session_reads_back_exactly() {
        for data in [SessionData::NONE, SessionData::new(&("Ada 🦀", 36)).expect("JSON")] {
            let record = record(data);
            let bytes = write(&record);
            assert_eq!(bytes.len(), FIXED_LEN + record.data.size());
            assert_eq!(read(&bytes), Some(record));
        }
    }

    #[test]
    fn what_is_no_session_is_none() {
        let bytes = write(&record(SessionData::NONE));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None, "{length} bytes");
        }
        let at = |position: usize, value: [u8; 8]| {
            let mut bytes = bytes.clone();
            bytes[position..position + 8].copy_from_slice(&value);
            read(&bytes)
        };
        for position in [8, 52, 60] {
            assert_eq!(at(position, f64::NAN.to_be_bytes()), None);
            assert_eq!(at(position, f64::INFINITY.to_be_bytes()), None);
        }
        assert_eq!(read(&[&bytes[..], &[0xff]].concat()), None, "data that is no text");
    }
}
