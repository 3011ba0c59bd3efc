//! One session, as a store keeps it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SessionData;
use crate::did::{Issuer, Timestamp};

/// One session, as a store keeps it. Holds no secret: neither the cookie's
/// value nor the token can be made from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionRecord {
    /// What names the session without opening it.
    pub handle: SessionHandle,
    /// Whose session it is.
    pub issuer: Issuer,
    /// When it was minted.
    pub created_at: Timestamp,
    /// When a request last used it, to within the refresh interval.
    pub last_seen: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// What the application attached at sign-in.
    #[serde(default, skip_serializing_if = "SessionData::is_empty")]
    pub data: SessionData,
}

impl SessionRecord {
    /// A session that begins `now`.
    #[must_use]
    pub fn new(
        handle: SessionHandle,
        issuer: Issuer,
        now: Timestamp,
        expires_at: Timestamp,
        data: SessionData,
    ) -> Self {
        Self { handle, issuer, created_at: now, last_seen: now, expires_at, data }
    }

    /// Whether it was chosen at sign-in that the session outlives the browser's.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.data.is_remembered()
    }

    /// The same session, seen `now`. Time never runs backwards here.
    #[must_use]
    pub fn seen(&self, now: Timestamp) -> Self {
        Self { last_seen: self.last_seen.max(now), ..self.clone() }
    }
}

/// Names a session without opening it: 32 bytes, shown as 64 hexadecimal digits.
///
/// Made for lists of sessions and for revoking one of them. For sessions found
/// by a random id it is the SHA-256 of that id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionHandle([u8; 32]);

impl SessionHandle {
    /// A handle from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 64 digits by which it is shown.
    pub(crate) fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        // The lengths fit.
        let _ = hex::encode_to_slice(self.0, &mut digits);
        digits
    }

    /// Whether parsing this text gives this handle. Compares digits, which takes a fraction of the time
    /// that parsing them takes.
    #[cfg(any(test, feature = "redis"))]
    pub(crate) fn is_written(&self, text: &str) -> bool {
        text.as_bytes().eq_ignore_ascii_case(&self.digits())
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionHandle {
    type Err = ParseHandleError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseHandleError(()))?;
        Ok(Self(bytes))
    }
}

impl Serialize for SessionHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseHandleError(());

impl fmt::Display for ParseHandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the 64 hexadecimal digits of a session handle")
    }
}

impl std::error::Error for ParseHandleError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_serialisation_with_its_data() {
        let record = SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            SessionData::new(&("Ada", 36)).expect("JSON"),
        );
        let json = serde_json::to_string(&record).expect("JSON");
        let back: SessionRecord = serde_json::from_str(&json).expect("a record");
        assert_eq!(back, record);
        assert_eq!(back.data.read().expect("a pair"), Some(("Ada".to_owned(), 36)));
    }

    /// Otherwise a change that began before would count as the newest.
    #[test]
    fn a_record_whose_data_was_taken_away_keeps_the_number_of_changes() {
        let mut record = SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(1),
            Timestamp::from_secs(2),
            SessionData::NONE.changed_to(&SessionData::NONE),
        );
        for _ in 0..2 {
            let json = serde_json::to_string(&record).expect("JSON");
            assert_eq!(serde_json::from_str::<SessionRecord>(&json).expect("a record"), record);
            record.data = SessionData::NONE.remembered();
        }
    }

    #[test]
    fn a_text_names_a_handle_where_parsing_it_gives_that_handle() {
        let handle = SessionHandle::from_bytes(std::array::from_fn(|place| 7 * place as u8));
        let other = SessionHandle::from_bytes([0; 32]).to_string();
        let text = handle.to_string();
        for text in [&text, &text.to_uppercase(), &text[1..], &format!("{text}0"), "", "é", &other]
        {
            assert_eq!(handle.is_written(text), text.parse() == Ok(handle), "{text:?}");
        }
        assert!(handle.is_written(&text.to_uppercase()));
    }

    #[test]
    fn last_seen_never_runs_backwards() {
        let record = SessionRecord::new(
            SessionHandle::from_bytes([7; 32]),
            "did:ethr:0x52908400098527886E0F7030069857D2E4169EE7".parse().expect("an issuer"),
            Timestamp::from_secs(100),
            Timestamp::from_secs(200),
            SessionData::NONE,
        );
        assert_eq!(record.seen(Timestamp::from_secs(50)).last_seen, Timestamp::from_secs(100));
        assert_eq!(record.seen(Timestamp::from_secs(150)).last_seen, Timestamp::from_secs(150));
    }
}
