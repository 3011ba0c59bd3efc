//! The data attached to a session at sign-in.

#[cfg(feature = "magic")]
use std::any::Any;
use std::fmt;
use std::sync::Arc;
#[cfg(feature = "magic")]
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Most bytes that a session's data may take, as JSON and with the profile: 64 KiB. A store may allow
/// less; a cookie holds about 2,800. Data is read with every request, so it is meant to be small, and
/// what its user fills in must not fill the store.
pub const MAX_SESSION_DATA_BYTES: usize = 64 * 1024;

/// Begins the text of a session that is to outlive the browser's. No JSON text begins so.
const REMEMBERED: &str = "+";

/// Begins a text whose data has been changed since sign-in. No JSON text begins so.
const CHANGES: char = '#';

/// Begins a text that holds a profile. No JSON text begins so.
const PROFILE: char = '@';

/// Ends the number of changes, and the profile. JSON as it is written here has no line breaks.
const END_OF_LINE: char = '\n';

/// What is attached to a session: a value of the application's, and what Magic said of the
/// person (with [`DidAuth::with_magic`](https://docs.rs/tower-didt)). Either may be missing. Beside
/// them, whether the session is [remembered](Self::remembered).
///
/// Kept as text, so that every store returns what was put in. A store need not know what is in
/// it: `Serialize` and `Deserialize` carry all of it, and two of them are equal if their texts are.
#[derive(Clone, Default)]
pub struct SessionData(Option<Arc<Attached>>);

/// `[+][#<changes>\n][@<JSON of the profile>\n][<JSON of the application>]`.
struct Attached {
    text: Box<str>,
    is_remembered: bool,
    /// How often the application's value was changed.
    version: u64,
    /// Where the profile or, if there is none, the application's JSON begins.
    body: usize,
    /// Where the application's JSON begins.
    application: usize,
    #[cfg(feature = "magic")]
    /// The profile, once somebody has read it: sessions are read far more often than made.
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

    /// The same of a session that is remembered: one that was chosen to outlive the browser's, at
    /// sign-in ([`RememberMe`](https://docs.rs/tower-didt)). It stays so whatever is attached.
    #[must_use]
    pub fn remembered(&self) -> Self {
        match self.is_remembered() {
            true => self.clone(),
            false => Self::from_text(&format!("{REMEMBERED}{}", self.text().unwrap_or_default())),
        }
    }

    /// Whether the session is [remembered](Self::remembered).
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.0.as_deref().is_some_and(|attached| attached.is_remembered)
    }

    /// Whether nothing is attached.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.as_deref().is_none_or(|attached| attached.text.len() == attached.body)
    }

    /// Whether there is nothing to keep: no value, no profile, and no number of changes.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How often the application's value was changed since sign-in: 0 for what was attached then.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.as_deref().map_or(0, |attached| attached.version)
    }

    /// The data that follows on this one: the next version, with the same profile and the
    /// application's value of `new`.
    ///
    /// Since the version is part of it, it equals no data that the session had before.
    #[must_use]
    pub fn changed_to(&self, new: &Self) -> Self {
        let version = self.version().saturating_add(1);
        let (mark, profile) = (self.mark(), self.profile_text());
        let application = new.application().unwrap_or_default();
        Self::from_text(&format!("{mark}{CHANGES}{version}{END_OF_LINE}{profile}{application}"))
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
        let changes = match self.version() {
            0 => String::new(),
            version => format!("{CHANGES}{version}{END_OF_LINE}"),
        };
        let mark = self.mark();
        let text = format!("{mark}{changes}{PROFILE}{json}{END_OF_LINE}{application}");
        let data = Self::from_text(&text);
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
        let json = attached.text.get(attached.body..)?.strip_prefix(PROFILE)?;
        let profile = attached.profile.get_or_init(|| {
            let json = json.split_once(END_OF_LINE)?.0;
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
        // Where the line that begins at `start` ends, with its end. A line that was cut off has
        // nothing behind it.
        let behind = |start: usize| {
            let rest = text.get(start..).unwrap_or_default();
            rest.find(END_OF_LINE).map_or(text.len(), |end| start + end + 1)
        };
        let is_remembered = text.starts_with(REMEMBERED);
        let start = if is_remembered { REMEMBERED.len() } else { 0 };
        let is_changed = text.get(start..).is_some_and(|text| text.starts_with(CHANGES));
        let body = if is_changed { behind(start) } else { start };
        let version = text
            .get(start..body)
            .and_then(|line| line.strip_prefix(CHANGES)?.strip_suffix(END_OF_LINE)?.parse().ok());
        let has_profile = text.get(body..).is_some_and(|text| text.starts_with(PROFILE));
        let application = if has_profile { behind(body) } else { body };
        let attached = || Attached {
            text: text.into(),
            is_remembered,
            version: version.unwrap_or_default(),
            body,
            application,
            #[cfg(feature = "magic")]
            profile: OnceLock::new(),
        };
        Self((!text.is_empty()).then(|| Arc::new(attached())))
    }

    /// How the text of remembered data begins, or nothing.
    fn mark(&self) -> &'static str {
        if self.is_remembered() { REMEMBERED } else { "" }
    }

    /// The profile with what begins and ends it, or nothing.
    fn profile_text(&self) -> &str {
        let part = |attached: &'_ Attached| attached.body..attached.application;
        let attached = self.0.as_deref();
        attached.and_then(|attached| attached.text.get(part(attached))).unwrap_or_default()
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
    fn each_change_counts_and_equals_nothing_that_was_there_before() {
        let (one, two) = (SessionData::new(&1).expect("JSON"), SessionData::new(&2).expect("JSON"));
        let first = SessionData::NONE.changed_to(&one);
        let second = first.changed_to(&two);
        let third = second.changed_to(&one);
        let none = third.changed_to(&SessionData::NONE);
        for (data, version, value) in
            [(&first, 1, Some(1)), (&second, 2, Some(2)), (&third, 3, Some(1)), (&none, 4, None)]
        {
            assert_eq!((data.version(), data.is_none()), (version, value.is_none()));
            assert_eq!(data.read::<u8>().expect("a number"), value);
            let json = serde_json::to_string(data).expect("JSON");
            assert_eq!(&serde_json::from_str::<SessionData>(&json).expect("data"), data);
        }
        assert_ne!(first, third);
        assert_ne!(first, one);
    }

    #[test]
    fn a_number_of_changes_that_was_cut_off_leaves_no_value() {
        for text in ["#", "#1", "#\n", "#x\n", "#-1\n", "#99999999999999999999\n"] {
            let data = SessionData::from_text(text);
            assert!(data.is_none(), "{text}");
            assert_eq!(data.read::<u8>().expect("nothing"), None, "{text}");
            assert_eq!(data.changed_to(&SessionData::NONE).version(), data.version() + 1, "{text}");
        }
    }

    #[test]
    fn what_is_remembered_stays_so_and_reads_as_before() {
        let one = SessionData::new(&1).expect("JSON");
        for data in [SessionData::NONE, one.clone(), SessionData::NONE.changed_to(&one)] {
            let remembered = data.remembered();
            assert!(remembered.is_remembered() && !data.is_remembered());
            assert_eq!(remembered.remembered(), remembered);
            assert_ne!(remembered, data);
            assert_eq!(remembered.size(), data.size() + 1);
            assert_eq!(remembered.is_none(), data.is_none());
            assert_eq!(remembered.version(), data.version());
            let read = |data: &SessionData| data.read::<u8>().expect("a number, or nothing");
            assert_eq!(read(&remembered), read(&data));
            let json = serde_json::to_string(&remembered).expect("JSON");
            assert_eq!(serde_json::from_str::<SessionData>(&json).expect("data"), remembered);

            let changed = remembered.changed_to(&SessionData::new(&2).expect("JSON"));
            assert!(changed.is_remembered());
            assert_eq!((changed.version(), read(&changed)), (data.version() + 1, Some(2)));
            let none = changed.changed_to(&SessionData::NONE);
            assert!(none.is_remembered() && none.is_none());
        }
    }

    #[cfg(feature = "magic")]
    #[test]
    fn a_profile_is_found_in_what_is_remembered() {
        let read = |json: &str| Some(json.to_owned());
        let data =
            SessionData::new(&1).expect("JSON").remembered().with_profile("{}", "{}".to_owned());
        assert!(data.is_remembered());
        assert_eq!(data.read::<u8>().expect("a number"), Some(1));
        let text = data.text().expect("a text").to_owned();
        assert_eq!(SessionData::from_text(&text).profile(read).as_deref(), Some("{}"));
        let changed = data.changed_to(&SessionData::NONE).with_profile("[]", "[]".to_owned());
        assert!(changed.is_remembered() && changed.version() == 1);
        assert_eq!(changed.profile(read).as_deref(), Some("[]"));
    }

    #[cfg(feature = "magic")]
    #[test]
    fn a_change_leaves_the_profile_and_a_new_profile_the_change() {
        let read = |json: &str| Some(json.to_owned());
        let value = SessionData::new(&"Ada").expect("JSON");
        let data = SessionData::NONE.with_profile(r#"{"e":1}"#, r#"{"e":1}"#.to_owned());
        let changed = data.changed_to(&value);
        assert_eq!(changed.profile(read).as_deref(), Some(r#"{"e":1}"#));
        assert_eq!(changed.read::<String>().expect("text").as_deref(), Some("Ada"));
        assert!(!changed.changed_to(&SessionData::NONE).is_none(), "the profile is there");
        let renewed = changed.with_profile("{}", "{}".to_owned());
        assert_eq!((renewed.version(), renewed.profile(read).as_deref()), (1, Some("{}")));
        assert_eq!(renewed.read::<String>().expect("text").as_deref(), Some("Ada"));
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
