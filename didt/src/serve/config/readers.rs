//! What a setting is read as: each way reads, checks and explains it.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::Secret;
use super::invalid::Invalid;
use super::settings::Settings;
use super::value::Raw;

impl<'a> Settings<'a> {
    /// A text that is not explained yet.
    pub(super) fn bare_text(&self, key: &str) -> Result<Option<String>, Invalid> {
        self.read(key, Raw::text, "a text in quotes, such as \"…\"")
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
            self.invalid(key, format_args!("{word:?} is not one of {}", words.join(", ")))
        })?;
        self.explain(key, word);
        Ok(value)
    }

    /// `true` or `false`.
    pub(super) fn flag_or(&mut self, key: &'static str, default: bool) -> Result<bool, Invalid> {
        let flag = self.read(key, Raw::flag, "true or false")?.unwrap_or(default);
        self.explain(key, flag);
        Ok(flag)
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

    /// The name of a file, which may be shown, and its contents.
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
        let text =
            std::str::from_utf8(&bytes).map_err(|_| self.invalid(key, "the file is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(self.invalid(key, "the file is empty"));
        }
        let secret = Secret::new(text.to_owned());
        self.explain(key, "set");
        Ok(Some(secret))
    }
}

/// Reads a span of time: `7d`, `1h 30m`.
pub(super) fn read_span(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|_| {
        format!("{text:?} is not a duration; expected one such as \"7d\" or \"1h 30m\"")
    })?;
    if range.contains(&span) {
        return Ok(span);
    }
    let [least, most] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
    Err(format!("{text:?} is out of bounds; expected {least} to {most}"))
}
