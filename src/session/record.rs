//! One session, as a store keeps it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Issuer, Timestamp};

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
    /// When a request last used it, give or take the refresh interval.
    pub last_seen: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// What the application attached at sign-in.
    #[serde(default, skip_serializing_if = "SessionData::is_none")]
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
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
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

/// What the application attached to a session at sign-in: one JSON value, or nothing.
///
/// Kept as text, so that every store gives back what was put in.
#[derive(Clone, Default, PartialEq)]
pub struct SessionData(Option<Arc<str>>);

impl SessionData {
    /// Nothing attached.
    pub const NONE: Self = Self(None);

    /// Writes `value` as JSON. What is written as `null`, such as `()` and `None`, is nothing.
    ///
    /// # Errors
    ///
    /// If `value` has no JSON form, for example a map with keys that are no strings.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(value)?;
        Ok(Self((json != "null").then(|| json.into())))
    }

    /// Whether nothing is attached.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Reads the value back, or `None` if nothing is attached.
    ///
    /// # Errors
    ///
    /// If the data has another form than `T`, for example because an older
    /// version of the application attached it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.0.as_deref().map(serde_json::from_str).transpose()
    }

    /// The JSON text, for stores that keep no JSON themselves.
    #[cfg(feature = "sealed")]
    pub(super) fn as_json(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// What [`as_json`](Self::as_json) gave, or the empty text for nothing.
    #[cfg(feature = "sealed")]
    pub(super) fn from_json(json: &str) -> Self {
        Self((!json.is_empty()).then(|| json.into()))
    }

    /// Length of the JSON text in bytes, 0 for nothing.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.as_deref().map_or(0, str::len)
    }
}

impl fmt::Debug for SessionData {
    /// Its size alone: the application may have put anything in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionData({} bytes)", self.size())
    }
}

impl Serialize for SessionData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_deref().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SessionData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(deserializer)?.map(Into::into)))
    }
}

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

    #[test]
    fn nothing_attached_reads_as_nothing_and_another_form_as_an_error() {
        assert!(SessionData::new(&()).expect("JSON").is_none());
        assert_eq!(SessionData::NONE.read::<u8>().expect("nothing"), None);
        assert!(SessionData::new(&"text").expect("JSON").read::<u8>().is_err());
    }

    #[test]
    fn debug_hides_the_data() {
        let data = SessionData::new(&"a secret").expect("JSON");
        assert!(!format!("{data:?}").contains("secret"));
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
