//! The data attached to a session at sign-in.

#[cfg(feature = "magic")]
use std::any::Any;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "magic")]
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Begins a text that holds a profile. No JSON text begins so.
const PROFILE: char = '@';

/// Ends the profile. JSON as it is written here has no line breaks.
const END_OF_PROFILE: char = '\n';

/// The data attached to a session at sign-in: a value of the application's, and what Magic said
/// about the person (with [`DidAuth::with_magic`](https://docs.rs/tower-didt)). Either may be
/// missing.
///
/// Kept as text, so that every store returns it unchanged. A store need not know what is in
/// it: `Serialize` and `Deserialize` carry both.
#[derive(Clone, Default)]
pub struct SessionData(Option<Arc<Attached>>);

/// `<JSON of the application>`, or `@<JSON of the profile>\n<JSON of the application, or nothing>`.
struct Attached {
    text: Box<str>,
    /// Where the application's JSON begins.
    application: usize,
    #[cfg(feature = "magic")]
    /// The parsed profile, once it has been read: sessions are read far more often than made.
    profile: OnceLock<Option<Profile>>,
}

#[cfg(feature = "magic")]
type Profile = Arc<dyn Any + Send + Sync>;

impl SessionData {
    /// Nothing attached.
    pub const NONE: Self = Self(None);

    /// Writes `value` as JSON. A value that becomes `null`, such as `()` and `None`, attaches
    /// nothing.
    ///
    /// # Errors
    ///
    /// If `value` has no JSON form, for example a map with keys that are not strings.
    pub fn new(value: &impl Serialize) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(value)?;
        Ok(if json == "null" { Self::NONE } else { Self::from_text(&json) })
    }

    /// Whether nothing is attached.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Reads the application's value; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the data has another form than `T`, for example because an older
    /// version of the application attached it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.application().map(serde_json::from_str).transpose()
    }

    /// Length of the text in bytes, 0 for nothing.
    #[must_use]
    pub fn size(&self) -> usize {
        self.text().map_or(0, str::len)
    }

    /// The same with this profile, in place of another: its JSON on one line, and what it says.
    #[cfg(feature = "magic")]
    pub(crate) fn with_profile<T: Any + Send + Sync>(&self, json: &str, profile: T) -> Self {
        let application = self.application().unwrap_or_default();
        let data = Self::from_text(&format!("{PROFILE}{json}{END_OF_PROFILE}{application}"));
        if let Some(attached) = &data.0 {
            let _ = attached.profile.set(Some(Arc::new(profile)));
        }
        data
    }

    /// The profile, if there is one that `read` understands. It is read once.
    #[cfg(feature = "magic")]
    pub(crate) fn profile<T: Any + Send + Sync + Clone>(
        &self,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let attached = self.0.as_deref()?;
        let json = attached.text.strip_prefix(PROFILE)?;
        let profile = attached.profile.get_or_init(|| {
            let json = json.split_once(END_OF_PROFILE)?.0;
            read(json).map(|profile| Arc::new(profile) as Profile)
        });
        profile.as_ref()?.downcast_ref::<T>().cloned()
    }

    /// The text, for stores that keep no JSON themselves.
    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref().map(|attached| &*attached.text)
    }

    /// What [`text`](Self::text) returned, or the empty text for nothing.
    pub(super) fn from_text(text: &str) -> Self {
        let application = match text.starts_with(PROFILE) {
            true => text.find(END_OF_PROFILE).map_or(text.len(), |end| end + 1),
            false => 0,
        };
        let attached = || Attached {
            text: text.into(),
            application,
            #[cfg(feature = "magic")]
            profile: OnceLock::new(),
        };
        Self((!text.is_empty()).then(|| Arc::new(attached())))
    }

    fn application(&self) -> Option<&str> {
        let attached = self.0.as_deref()?;
        attached.text.get(attached.application..).filter(|json| !json.is_empty())
    }
}

impl PartialEq for SessionData {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for SessionData {
    /// Shows the size only: the application may have attached anything.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionData({} bytes)", self.size())
    }
}

impl Serialize for SessionData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SessionData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        Ok(text.map_or(Self::NONE, |text| Self::from_text(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[cfg(feature = "magic")]
    #[test]
    fn a_profile_and_the_applications_value_live_side_by_side() {
        let read = |json: &str| Some(json.to_owned());
        for value in [SessionData::NONE, SessionData::new(&("Ada\n@", 36)).expect("JSON")] {
            let data = value.with_profile(r#"{"e":1}"#, r#"{"e":1}"#.to_owned());
            let json = serde_json::to_string(&data).expect("JSON");
            let back: SessionData = serde_json::from_str(&json).expect("data");
            for data in [&data, &back] {
                assert_eq!(data.profile(read).as_deref(), Some(r#"{"e":1}"#));
                let application: Option<(String, u8)> = data.read().expect("the value");
                assert_eq!(application, value.read().expect("the value"));
            }
            assert_eq!(back, data);
            // A new profile takes the old one's place.
            let data = back.with_profile("{}", "{}".to_owned());
            assert_eq!(data.profile(read).as_deref(), Some("{}"));
            assert_eq!(data.read::<(String, u8)>().expect("the value"), value.read().expect("it"));
            // What was attached before there were profiles has none.
            assert_eq!(value.profile(read), None);
        }
    }

    #[cfg(feature = "magic")]
    #[test]
    fn a_text_that_was_cut_off_is_no_profile_and_no_value() {
        for text in ["@", "@{", "@\n", "@{\"e\":1}"] {
            let data = SessionData::from_text(text);
            let parse = |json: &str| serde_json::from_str::<serde_json::Value>(json).ok();
            assert_eq!(data.profile(parse), None, "{text}");
            assert_eq!(data.read::<u8>().expect("nothing"), None, "{text}");
        }
    }
}
