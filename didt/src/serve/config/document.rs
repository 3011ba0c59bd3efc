//! The policy file as text: its settings one by one, each with its line.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::invalid::Invalid;
use super::origin::Origin;

/// A policy file is written by people.
pub(crate) const MAX_FILE_LEN: usize = 1024 * 1024;

/// The key of the rules, which are not settings.
pub(super) const RULES: &str = "rules";

/// A policy file, parsed and not yet understood.
pub(super) struct Document<'a> {
    name: Arc<str>,
    text: &'a str,
    /// All values that are not tables, by dotted key.
    pub(super) leaves: Vec<(String, Spanned<DeValue<'a>>)>,
    /// All tables, by dotted key: the name of one may be wrong although nothing is in it.
    pub(super) tables: Vec<(String, usize)>,
    pub(super) rules: Option<Spanned<DeValue<'a>>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(name: &str, text: &'a str) -> Result<Self, Invalid> {
        let name: Arc<str> = name.into();
        let mut document = Self { name, text, leaves: Vec::new(), tables: Vec::new(), rules: None };
        if text.len() > MAX_FILE_LEN {
            let origin = document.origin(0);
            return Err(Invalid::new(origin, "", format!("longer than {MAX_FILE_LEN} bytes")));
        }
        let mut table =
            DeTable::parse(text).map_err(|error| document.invalid(&error, ""))?.into_inner();
        document.rules = table.remove(RULES);
        document.flatten("", table);
        Ok(document)
    }

    fn flatten(&mut self, prefix: &str, table: DeTable<'a>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", shown(name.get_ref()));
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) => {
                    self.flatten(&format!("{key}."), table);
                    self.tables.push((key, name.span().start));
                }
                value => self.leaves.push((key, Spanned::new(span, value))),
            }
        }
    }

    /// The line of this byte.
    pub(super) fn origin(&self, byte: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(byte);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Origin::File { name: Arc::clone(&self.name), line }
    }

    /// What the TOML parser found.
    pub(super) fn invalid(&self, error: &toml::de::Error, what: &str) -> Invalid {
        let start = error.span().map_or(0, |span| span.start);
        Invalid::new(self.origin(start), what, error.message())
    }
}

/// A key as it is written bare. A key that needs quotes is shown quoted, so that its
/// dots are not taken for nesting.
fn shown(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { format!("{name:?}") }
}
