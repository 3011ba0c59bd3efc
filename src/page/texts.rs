//! Every word that the page says, in one place: a language file.

use std::collections::BTreeMap;

use super::PageError;

/// The texts that come with the library, and the list of all keys.
const ENGLISH: &str = include_str!("files/en.json");

/// The most bytes of a text: a few sentences in any language.
const MAX_TEXT_LEN: usize = 1000;

/// The words of the page. English unless replaced.
///
/// A language file is a JSON object of strings. Its keys are those of
/// [`english`](Self::english); `lang` is the language itself (BCP 47), `magic_locale` what Magic's
/// own windows are shown in, such as `fr_FR`. What a file leaves out stays English.
#[derive(Clone, Debug)]
pub struct Texts(BTreeMap<String, String>);

impl Texts {
    /// The English texts, as JSON to start a translation from.
    #[must_use]
    pub const fn english() -> &'static str {
        ENGLISH
    }

    /// Reads a language file.
    ///
    /// # Errors
    ///
    /// [`PageError::Texts`] if it is not a JSON object of strings, has a key that the page does not
    /// know, an empty text, or one of more than 1,000 bytes.
    pub fn from_json(json: &str) -> Result<Self, PageError> {
        let mut texts = Self::default();
        let given: BTreeMap<String, String> =
            serde_json::from_str(json).map_err(|_| PageError::Texts)?;
        for (key, text) in given {
            let known = texts.0.get_mut(&key).ok_or(PageError::Texts)?;
            if text.trim().is_empty() || text.len() > MAX_TEXT_LEN {
                return Err(PageError::Texts);
            }
            *known = text;
        }
        Ok(texts)
    }

    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, key: &str, text: &str) {
        self.0.insert(key.to_owned(), text.to_owned());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, text)| (key.as_str(), text.as_str()))
    }
}

impl Default for Texts {
    fn default() -> Self {
        // A test reads it.
        Self(serde_json::from_str(ENGLISH).unwrap_or_default())
    }
}
