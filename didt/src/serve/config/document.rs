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

/// The key of the sites, which are not settings either.
pub(super) const SITES: &str = "sites";

/// A policy file, parsed and not yet understood.
pub(super) struct Document<'a> {
    pub(super) source: Source<'a>,
    /// What is outside of sites.
    pub(super) body: Body<'a>,
    pub(super) sites: Option<Spanned<DeValue<'a>>>,
}

/// Where the document is, for messages.
#[derive(Clone)]
pub(super) struct Source<'a> {
    name: Arc<str>,
    text: &'a str,
}

/// Settings and rules, of the file or of one site in it.
#[derive(Default)]
pub(super) struct Body<'a> {
    /// All values that are not tables, by dotted key.
    pub(super) leaves: Vec<(String, Spanned<DeValue<'a>>)>,
    /// All tables, by dotted key: the name of one may be wrong although nothing is in it.
    pub(super) tables: Vec<(String, usize)>,
    pub(super) rules: Option<Spanned<DeValue<'a>>>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(name: &str, text: &'a str) -> Result<Self, Invalid> {
        let source = Source { name: name.into(), text };
        if text.len() > MAX_FILE_LEN {
            let origin = source.origin(0);
            return Err(Invalid::new(origin, "", format!("longer than {MAX_FILE_LEN} bytes")));
        }
        let mut table =
            DeTable::parse(text).map_err(|error| source.invalid(&error, ""))?.into_inner();
        let sites = table.remove(SITES);
        Ok(Self { source, body: Body::new(table), sites })
    }
}

impl<'a> Body<'a> {
    pub(super) fn new(mut table: DeTable<'a>) -> Self {
        let rules = table.remove(RULES);
        let mut body = Self { rules, ..Self::default() };
        body.flatten("", table);
        body
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
}

impl Source<'_> {
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
