//! All that was said, with the later word over the earlier: file, environment, flags.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::document::{Document, RULES};
use super::invalid::Invalid;
use super::keys::{self, KEYS};
use super::origin::Origin;
use super::value::Raw;
use super::{Secret, Sources};

/// The settings, not yet understood. Reading one explains it too.
pub(super) struct Settings<'a> {
    given: BTreeMap<String, (Raw<'a>, Origin)>,
    sources: &'a Sources<'a>,
    explained: Vec<Setting>,
}

/// One setting, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    /// A secret is `set`.
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

impl<'a> Settings<'a> {
    pub(super) fn new(
        sources: &'a Sources<'a>,
        document: Option<&mut Document<'a>>,
    ) -> Result<Self, Invalid> {
        let mut given = BTreeMap::new();
        if let Some(document) = document {
            for (table, start) in &document.tables {
                if !keys::is_section(table) {
                    let origin = document.origin(*start);
                    return Err(Invalid::new(origin, table, keys::unknown(table)));
                }
            }
            for (key, value) in std::mem::take(&mut document.leaves) {
                let origin = document.origin(value.span().start);
                if !KEYS.contains(&key.as_str()) {
                    return Err(Invalid::new(origin, &key, keys::unknown(&key)));
                }
                given.insert(key, (Raw::Toml(value), origin));
            }
        }
        for (variable, value) in &sources.variables {
            let origin = Origin::Environment(variable.clone());
            let key = KEYS.iter().chain(&[RULES]).find(|key| keys::variable(key) == *variable);
            let key = key.ok_or_else(|| {
                Invalid::new(
                    origin.clone(),
                    "",
                    "no setting has this name; DIDT__COOKIE__NAME is the one of cookie.name",
                )
            })?;
            no_rules(key, &origin)?;
            given.insert((*key).to_owned(), (Raw::Text(value.clone()), origin));
        }
        for (key, value) in &sources.flags {
            no_rules(key, &Origin::Flag)?;
            if !KEYS.contains(&key.as_str()) {
                return Err(Invalid::new(Origin::Flag, key, keys::unknown(key)));
            }
            given.insert(key.clone(), (Raw::Text(value.clone()), Origin::Flag));
        }
        Ok(Self { given, sources, explained: Vec::new() })
    }

    /// The settings in their order.
    pub(super) fn into_explained(mut self) -> Vec<Setting> {
        let place = |setting: &Setting| KEYS.iter().position(|key| *key == setting.key);
        self.explained.sort_by_key(place);
        self.explained
    }

    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.given.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// That a setting cannot be.
    pub(super) fn invalid(&self, key: &str, problem: impl fmt::Display) -> Invalid {
        Invalid::new(self.origin(key), key, problem)
    }

    pub(super) fn explain(&mut self, key: &'static str, value: impl fmt::Display) {
        let (value, origin) = (value.to_string(), self.origin(key));
        self.explained.push(Setting { key, value, origin });
    }

    fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Raw<'a>) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Invalid> {
        debug_assert!(KEYS.contains(&key), "{key} is not in the list of keys");
        let Some((raw, _)) = self.given.get(key) else { return Ok(None) };
        read(raw).map(Some).ok_or_else(|| self.invalid(key, format_args!("expected {expected}")))
    }

    /// A text that is not explained yet.
    pub(super) fn bare_text(&self, key: &str) -> Result<Option<String>, Invalid> {
        self.read(key, Raw::text, "a text in quotes")
    }

    pub(super) fn list(&mut self, key: &'static str) -> Result<Vec<String>, Invalid> {
        let list = self.bare_list(key)?.unwrap_or_default();
        self.explain(key, if list.is_empty() { "none".to_owned() } else { list.join(", ") });
        Ok(list)
    }

    /// A list that is not explained yet.
    pub(super) fn bare_list(&self, key: &str) -> Result<Option<Vec<String>>, Invalid> {
        self.read(key, Raw::list, "a list of texts, such as [\"one\", \"two\"]")
    }

    /// What `parse` makes of a text, if there is one.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Invalid> {
        let text = self.bare_text(key)?;
        let Some(text) = text else {
            self.explain(key, "none");
            return Ok(None);
        };
        let value = parse(&text)
            .map_err(|problem| self.invalid(key, format_args!("{text:?} {problem}")))?;
        self.explain(key, &text);
        Ok(Some(value))
    }

    /// What `parse` makes of a text, or of the default.
    pub(super) fn parsed_or<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Invalid> {
        let text = self.bare_text(key)?.unwrap_or_else(|| default.to_owned());
        let value = parse(&text)
            .map_err(|problem| self.invalid(key, format_args!("{text:?} {problem}")))?;
        self.explain(key, &text);
        Ok(value)
    }

    /// One of some words; the first is the default.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Result<T, Invalid> {
        let given = self.bare_text(key)?;
        let word = given.as_deref().or(choices.first().map(|(word, _)| *word)).unwrap_or_default();
        let found = choices.iter().find(|(choice, _)| *choice == word);
        let (word, value) = found.copied().ok_or_else(|| {
            let words: Vec<_> = choices.iter().map(|(choice, _)| format!("{choice:?}")).collect();
            self.invalid(key, format_args!("{word:?} is none of {}", words.join(", ")))
        })?;
        self.explain(key, word);
        Ok(value)
    }

    pub(super) fn whole(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Invalid> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        let read = |raw: &Raw<'a>| raw.whole().filter(|number| range.contains(number));
        let number = self.read(key, read, &expected)?;
        if let Some(number) = number {
            self.explain(key, number);
        }
        Ok(number)
    }

    pub(super) fn whole_or(
        &mut self,
        key: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
    ) -> Result<u64, Invalid> {
        if let Some(number) = self.whole(key, range)? {
            return Ok(number);
        }
        self.explain(key, default);
        Ok(default)
    }

    /// A span of time within bounds, if there is one.
    pub(super) fn span(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Invalid> {
        let Some(text) = self.bare_text(key)? else { return Ok(None) };
        let span = read_span(&text, &range).map_err(|problem| self.invalid(key, problem))?;
        self.explain(key, humantime::format_duration(span));
        Ok(Some(span))
    }

    pub(super) fn span_or(
        &mut self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Result<Duration, Invalid> {
        if let Some(span) = self.span(key, range)? {
            return Ok(span);
        }
        self.explain(key, humantime::format_duration(default));
        Ok(default)
    }

    /// The name of a file, which is shown, and what stands in it.
    pub(super) fn file(
        &mut self,
        key: &'static str,
    ) -> Result<Option<(PathBuf, Zeroizing<Vec<u8>>)>, Invalid> {
        let Some(path) = self.bare_text(key)? else {
            self.explain(key, "none");
            return Ok(None);
        };
        let contents = self.contents(key, Path::new(&path))?;
        self.explain(key, &path);
        Ok(Some((path.into(), contents)))
    }

    /// The text of a file that holds a secret, without one line end. Neither its name nor
    /// what is in it is shown.
    pub(super) fn secret(&mut self, key: &'static str) -> Result<Option<Secret>, Invalid> {
        let Some(path) = self.bare_text(key)? else {
            self.explain(key, "none");
            return Ok(None);
        };
        let bytes = self.contents(key, Path::new(&path))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| self.invalid(key, "the file that it names is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(self.invalid(key, "the file that it names is empty"));
        }
        let secret = Secret::new(text.to_owned());
        self.explain(key, "set");
        Ok(Some(secret))
    }

    fn contents(&self, key: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>, Invalid> {
        (self.sources.read)(path).map_err(|error| {
            self.invalid(key, format_args!("the file that it names cannot be read: {error}"))
        })
    }
}

fn no_rules(key: &str, origin: &Origin) -> Result<(), Invalid> {
    if key == RULES {
        return Err(Invalid::new(origin.clone(), key, "rules can be given in the file alone"));
    }
    Ok(())
}

/// Reads a span of time: `7d`, `1h 30m`.
pub(super) fn read_span(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|_| {
        format!("{text:?} is no span of time; expected one such as \"7d\" or \"1h 30m\"")
    })?;
    if range.contains(&span) {
        return Ok(span);
    }
    let [least, most] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
    Err(format!("{text:?} is out of bounds; expected {least} to {most}"))
}
