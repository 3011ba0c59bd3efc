//! Settings as they were given, owned, so that they can be read once more beside later ones.

use super::changes::Changes;
use super::document::SITES;
use super::{Invalid, Loaded, Origin, Sources, read_file};
use crate::serve::sites::Sites;

/// The policy file's text and all that overrides it.
#[derive(Clone)]
pub(crate) struct Given {
    /// The name and the text of the policy file.
    pub(crate) file: Option<(String, String)>,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) flags: Vec<(String, String)>,
}

impl Given {
    /// With or without the files that settings name.
    pub(crate) fn sources(&self, files: bool) -> Sources<'_> {
        Sources {
            file: self.file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
            variables: self.variables.clone(),
            flags: self.flags.clone(),
            files,
            read: read_file,
        }
    }

    pub(crate) fn load(&self, files: bool) -> Result<Sites<Loaded>, Invalid> {
        super::load(&self.sources(files))
    }

    /// What a running server makes of these settings that serves with those `before`: what needs a
    /// restart stays as it was. Both the settings as they were given and those that are served then are
    /// checked as a whole.
    pub(crate) fn load_after(
        &self,
        before: &Self,
        loaded: &Sites<Loaded>,
    ) -> Result<(Sites<Loaded>, Changes), Invalid> {
        let sources = self.sources(true);
        let new = super::load(&sources)?;
        if new.are_several() != loaded.are_several() {
            let problem = "sessions of several sites are kept apart from those of a single one: \
                           [[sites]] can be added and taken away with a restart only";
            return Err(Invalid::new(Origin::Default, SITES, problem));
        }
        let changes = Changes::between(loaded, &new);
        let pinned = changes.pinned(&loaded.first().config, &new.first().config);
        if pinned.is_empty() {
            return Ok((new, changes));
        }
        let served = super::load_pinned(&sources, &before.sources(true), &pinned)?;
        Ok((served, changes))
    }
}

/// Nothing of it: who misunderstood may have given a secret.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(…)")
    }
}
