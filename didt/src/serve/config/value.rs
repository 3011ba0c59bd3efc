//! A value as given, and its typed readings.
//!
//! In the file a value has TOML's types. In the environment and on the command line it is
//! TOML too if it looks like it, and else the text itself, without quotes.

use toml::Spanned;
use toml::de::{DeArray, DeValue};

#[derive(Clone)]
pub(super) enum Raw<'a> {
    Toml(Spanned<DeValue<'a>>),
    Text(String),
}

impl Raw<'_> {
    /// The value as given, for a message.
    pub(super) fn shown(&self) -> String {
        let value = match self {
            Self::Text(text) => return format!("{text:?}"),
            Self::Toml(value) => value.get_ref(),
        };
        match value {
            DeValue::String(text) => format!("{text:?}"),
            DeValue::Integer(number) => format!("the number {}", number.as_str()),
            DeValue::Float(number) => format!("the number {}", number.as_str()),
            DeValue::Boolean(value) => format!("{value} without quotes"),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Toml(value) => value.get_ref().as_str().map(str::to_owned),
            Self::Text(text) => Some(match parse(text) {
                Some(DeValue::String(inner)) => inner.into_owned(),
                _ => text.clone(),
            }),
        }
    }

    /// Bare text is cut at commas.
    pub(super) fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::Toml(value) => strings(value.get_ref().as_array()?),
            Self::Text(text) if text.trim_start().starts_with('[') => {
                strings(parse(text)?.as_array()?)
            }
            Self::Text(text) if text.trim().is_empty() => Some(Vec::new()),
            Self::Text(text) => match parse(text) {
                Some(DeValue::String(inner)) => Some(vec![inner.into_owned()]),
                _ => Some(text.split(',').map(|item| item.trim().to_owned()).collect()),
            },
        }
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self {
            Self::Toml(value) => value.get_ref().as_bool(),
            Self::Text(text) => parse(text)?.as_bool(),
        }
    }

    pub(super) fn whole(&self) -> Option<u64> {
        match self {
            Self::Toml(value) => whole(value.get_ref()),
            Self::Text(text) => whole(&parse(text)?),
        }
    }
}

fn parse(text: &str) -> Option<DeValue<'_>> {
    DeValue::parse(text).ok().map(Spanned::into_inner)
}

pub(super) fn strings(array: &DeArray<'_>) -> Option<Vec<String>> {
    array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_of_the_file_quotes_may_be_left_away() {
        let text = |given: &str| Raw::Text(given.to_owned()).text();
        for (given, expected) in [
            ("1d", "1d"),
            ("\"1d\"", "1d"),
            ("'1d'", "1d"),
            ("true", "true"),
            ("12", "12"),
            ("", ""),
            ("a = b", "a = b"),
            ("\"open", "\"open"),
        ] {
            assert_eq!(text(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn lists_are_toml_or_cut_at_commas() {
        let list = |given: &str| Raw::Text(given.to_owned()).list();
        let rows: [(&str, Option<&[&str]>); 9] = [
            ("a", Some(&["a"])),
            ("a, b", Some(&["a", "b"])),
            ("", Some(&[])),
            ("[]", Some(&[])),
            ("[\"a\", \"b,c\"]", Some(&["a", "b,c"])),
            ("\"b,c\"", Some(&["b,c"])),
            ("10.0.0.0/8", Some(&["10.0.0.0/8"])),
            ("[a]", None),
            ("[1]", None),
        ];
        for (given, expected) in rows {
            let read = list(given);
            let read: Option<Vec<_>> =
                read.as_ref().map(|items| items.iter().map(String::as_str).collect());
            assert_eq!(read.as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let whole = |given: &str| Raw::Text(given.to_owned()).whole();
        assert_eq!(whole("10_000"), Some(10_000));
        assert_eq!(whole("0x10"), Some(16));
        for bad in ["", "-1", "1.5", "ten", "99999999999999999999", "1 2"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }
}
