//! All settings from file, environment and flags, where later sources override earlier ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::Sources;
use super::document::{Document, RULES, SITES};
use super::invalid::Invalid;
use super::keys::{self, KEYS};
use super::origin::Origin;
use super::value::Raw;
use crate::serve::sites::SiteName;

/// Values and where they came from, by key.
pub(super) type Values<'a> = BTreeMap<String, (Raw<'a>, Origin)>;

/// The settings, not yet understood. Reading one explains it too.
pub(super) struct Settings<'a> {
    given: Values<'a>,
    sources: &'a Sources<'a>,
    /// The site that they are of, where there are several.
    site: Option<OfSite>,
    /// What was read of files: several sites that name the same one see the same.
    files: Rc<RefCell<BTreeMap<PathBuf, Zeroizing<Vec<u8>>>>>,
    explained: Vec<Setting>,
    /// Digests of the files that settings name.
    fingerprints: BTreeMap<String, [u8; 32]>,
}

/// A site, and where it begins.
pub(super) struct OfSite {
    pub(super) name: SiteName,
    pub(super) origin: Origin,
}

/// One setting, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: &'static str,
    /// A secret is `set`.
    pub(crate) value: String,
    pub(crate) origin: Origin,
    /// SHA-256 of the file that it names, where it was read: for comparison, never shown.
    pub(crate) fingerprint: Option<[u8; 32]>,
}

impl<'a> Settings<'a> {
    pub(super) fn new(
        sources: &'a Sources<'a>,
        document: Option<&mut Document<'a>>,
    ) -> Result<Self, Invalid> {
        let mut given = BTreeMap::new();
        if let Some(document) = document {
            let Document { source, body, .. } = document;
            for (table, start) in &body.tables {
                if !keys::is_section(table) {
                    let origin = source.origin(*start);
                    return Err(Invalid::new(origin, table, keys::unknown(table)));
                }
            }
            for (key, value) in std::mem::take(&mut body.leaves) {
                let origin = source.origin(value.span().start);
                if !KEYS.contains(&key.as_str()) {
                    return Err(Invalid::new(origin, &key, keys::unknown(&key)));
                }
                given.insert(key, (Raw::Toml(value), origin));
            }
        }
        for (variable, value) in &sources.variables {
            let origin = Origin::Environment(variable.clone());
            let key =
                KEYS.iter().chain(&[RULES, SITES]).find(|key| keys::variable(key) == *variable);
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
        let (explained, fingerprints) = (Vec::new(), BTreeMap::new());
        Ok(Self { given, sources, site: None, files: Rc::default(), explained, fingerprints })
    }

    /// What was given, by key.
    pub(super) const fn given(&self) -> &Values<'a> {
        &self.given
    }

    /// Other values, of a site, from the same sources and files.
    pub(super) fn with_given(&self, given: Values<'a>, site: OfSite) -> Self {
        let (sources, files) = (self.sources, Rc::clone(&self.files));
        let (explained, fingerprints) = (Vec::new(), BTreeMap::new());
        Self { given, sources, site: Some(site), files, explained, fingerprints }
    }

    /// The site that they are of, where there are several.
    pub(super) const fn site(&self) -> Option<&OfSite> {
        self.site.as_ref()
    }

    /// The settings in their order.
    pub(super) fn into_explained(mut self) -> Vec<Setting> {
        let place = |setting: &Setting| KEYS.iter().position(|key| *key == setting.key);
        self.explained.sort_by_key(place);
        for setting in &mut self.explained {
            setting.fingerprint = self.fingerprints.get(setting.key).copied();
        }
        self.explained
    }

    /// Gives these keys the values that they have in `old`, or none.
    pub(super) fn pin(&mut self, keys: &[&'static str], old: &Settings<'a>) {
        for key in keys {
            self.given.remove(*key);
            if let Some(value) = old.given.get(*key) {
                self.given.insert((*key).to_owned(), value.clone());
            }
        }
    }

    /// The contents of a file that a setting names.
    pub(super) fn contents(
        &mut self,
        key: &str,
        path: &Path,
    ) -> Result<Zeroizing<Vec<u8>>, Invalid> {
        if !self.sources.files {
            return Ok(super::stand_in::contents(key));
        }
        let read = self.files.borrow().get(path).cloned();
        let contents = match read {
            Some(contents) => contents,
            None => (self.sources.read)(path).map_err(|error| {
                self.invalid(key, format_args!("the file cannot be read: {error}"))
            })?,
        };
        self.files.borrow_mut().insert(path.to_owned(), contents.clone());
        self.fingerprints.insert(key.to_owned(), Sha256::digest(&*contents).into());
        Ok(contents)
    }

    /// Whether files are read; if not, stand-ins replace their contents.
    pub(super) const fn reads_files(&self) -> bool {
        self.sources.files
    }

    pub(super) fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    pub(super) fn origin(&self, key: &str) -> Origin {
        self.given.get(key).map_or(Origin::Default, |(_, origin)| origin.clone())
    }

    /// The error for an invalid value of `key`.
    pub(super) fn invalid(&self, key: &str, problem: impl fmt::Display) -> Invalid {
        match (&self.site, self.origin(key)) {
            (None, origin) => Invalid::new(origin, key, problem),
            // A flag names its key by itself, and the sites have it in common.
            (Some(_), origin @ Origin::Flag) => Invalid::new(origin, key, problem),
            (Some(OfSite { name, origin }), Origin::Default) => {
                Invalid::new(origin.clone(), format!("site {name}: {key}"), problem)
            }
            (Some(OfSite { name, .. }), origin) => {
                Invalid::new(origin, format!("site {name}: {key}"), problem)
            }
        }
    }

    pub(super) fn explain(&mut self, key: &'static str, value: impl fmt::Display) {
        let (value, origin) = (value.to_string(), self.origin(key));
        self.explained.push(Setting { key, value, origin, fingerprint: None });
    }

    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Raw<'a>) -> Option<T>,
        expected: &str,
    ) -> Result<Option<T>, Invalid> {
        debug_assert!(KEYS.contains(&key), "{key} is not in the list of keys");
        let Some((raw, _)) = self.given.get(key) else { return Ok(None) };
        read(raw).map(Some).ok_or_else(|| {
            let problem = match raw.shown() {
                // Somebody may have put the secret itself there.
                _ if key.contains("url") || key.ends_with("_file") => {
                    format!("expected {expected}")
                }
                shown => format!("expected {expected}, not {shown}"),
            };
            self.invalid(key, problem)
        })
    }
}

fn no_rules(key: &str, origin: &Origin) -> Result<(), Invalid> {
    if key == RULES || key == SITES {
        let problem = format!("{key} can be given in the file only");
        return Err(Invalid::new(origin.clone(), key, problem));
    }
    Ok(())
}
