//! A session as text in Redis.
//!
//! `1 <number> <ends> <seen> <JSON>`: the version of this form; the issuer's
//! count of sessions when this one was made, for their order; when it ends and
//! when it was last used, where scripts read and write them; and the whole
//! record as JSON. Every version to come begins with these three: `<version>
//! <number> <ends>`, so that an older script can count and drop what it cannot read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

use crate::did::{Issuer, Timestamp};
use crate::session::{SessionData, SessionHandle, SessionRecord};

/// The version that this crate writes, and the only one that it reads.
const VERSION: &str = "1";

/// A session as it was stored.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) record: SessionRecord,
}

/// The JSON of a [`SessionRecord`], without reading what its finder knows already.
#[derive(Deserialize)]
struct Known<'a> {
    #[serde(borrow)]
    handle: Cow<'a, str>,
    #[serde(borrow)]
    issuer: Cow<'a, str>,
    created_at: Timestamp,
    last_seen: Timestamp,
    expires_at: Timestamp,
    #[serde(default)]
    data: SessionData,
}

/// The text is not a session of this issuer and handle.
#[derive(Debug)]
pub(super) struct Unreadable(());

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a session in Redis has a format that this version cannot read")
    }
}

impl Stored {
    /// Reads what was found in the sessions of `issuer` under `handle`.
    pub(super) fn read(
        text: &[u8],
        issuer: Issuer,
        handle: SessionHandle,
    ) -> Result<Self, Unreadable> {
        Self::parse(text, issuer, handle).ok_or(Unreadable(()))
    }

    fn parse(text: &[u8], issuer: Issuer, handle: SessionHandle) -> Option<Self> {
        let mut parts = std::str::from_utf8(text).ok()?.splitn(5, ' ');
        if parts.next()? != VERSION {
            return None;
        }
        let _number: u64 = parts.next()?.parse().ok()?;
        let _ends = parts.next()?;
        let seen = Timestamp::from_secs_f64(parts.next()?.parse().ok()?)?;
        let known: Known<'_> = serde_json::from_str(parts.next()?).ok()?;
        // A record that was copied elsewhere must not open a session there.
        if !issuer.is_written(&known.issuer) || !handle.is_written(&known.handle) {
            return None;
        }
        let Known { created_at, last_seen, expires_at, data, .. } = known;
        let last_seen = last_seen.max(seen);
        let record = SessionRecord { handle, issuer, created_at, last_seen, expires_at, data };
        Some(Self { record })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::SessionData;

    fn issuer() -> Issuer {
        "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer")
    }

    fn handle() -> SessionHandle {
        SessionHandle::from_bytes([7; 32])
    }

    fn json() -> String {
        format!(
            r#"{{"handle":"{}","issuer":"{}","created_at":1,"last_seen":1,"expires_at":9.5}}"#,
            handle(),
            issuer()
        )
    }

    #[test]
    fn a_record_of_an_older_version_without_data_and_one_with_more_are_readable() {
        let old = format!("1 3 9.5 4.25 {}", json());
        let stored = Stored::read(old.as_bytes(), issuer(), handle()).expect("readable");
        assert_eq!(stored.record.last_seen, Timestamp::from_secs_f64(4.25).expect("finite"));
        assert_eq!(stored.record.data, SessionData::NONE);
        let newer = format!("1 3 9.5 4 {}", json().replace("{", r#"{"device":[1],"#));
        assert!(Stored::read(newer.as_bytes(), issuer(), handle()).is_ok());
    }

    #[test]
    fn what_is_read_is_the_record_that_was_written() {
        let data = SessionData::new(&("Ada \u{1f600}", 36)).expect("JSON").remembered();
        let [created, ends] = [1.25, 9.5].map(|at| Timestamp::from_secs_f64(at).expect("finite"));
        let record = SessionRecord::new(handle(), issuer(), created, ends, data);
        let text = format!("1 3 9.5 1 {}", serde_json::to_string(&record).expect("JSON"));
        for text in [text.clone(), text.replace("did:", "\\u0064id:")] {
            let stored = Stored::read(text.as_bytes(), issuer(), handle()).expect("readable");
            assert_eq!(stored.record, record);
        }
    }

    #[test]
    fn whatever_else_is_there_is_unreadable_and_no_panic() {
        let json = json();
        for bad in [
            String::new(),
            "1".to_owned(),
            json.clone(),
            format!("2 3 9.5 4 {json}"),
            format!("1 x 9.5 4 {json}"),
            format!("1 3 9.5 NaN {json}"),
            format!("1 3 9.5 4 {}", &json[..40]),
            "1 3 9.5 4 {}".to_owned(),
        ] {
            assert!(Stored::read(bad.as_bytes(), issuer(), handle()).is_err(), "{bad:?}");
        }
        assert!(Stored::read(&[0xff; 20], issuer(), handle()).is_err());
    }

    #[test]
    fn a_record_found_where_it_does_not_belong_is_unreadable() {
        let text = format!("1 3 9.5 4 {}", json());
        let other = "did:ethr:0x0000000000000000000000000000000000000001".parse().expect("one");
        assert!(Stored::read(text.as_bytes(), other, handle()).is_err());
        let other = SessionHandle::from_bytes([8; 32]);
        assert!(Stored::read(text.as_bytes(), issuer(), other).is_err());
    }
}
