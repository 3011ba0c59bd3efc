//! Settings as they were given, owned, so that they can be read once more beside later ones.

use super::changes::Changes;
use super::{Invalid, Loaded, Sources, read_file};

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

    pub(crate) fn load(&self, files: bool) -> Result<Loaded, Invalid> {
        Loaded::new(&self.sources(files))
    }

    /// What a running server makes of these settings that serves with those `before`: what needs a
    /// restart stays as it was. Both the settings as they were given and those that are served then are
    /// checked as a whole.
    pub(crate) fn load_after(
        &self,
        before: &Self,
        loaded: &Loaded,
    ) -> Result<(Loaded, Changes), Invalid> {
        let sources = self.sources(true);
        let new = Loaded::new(&sources)?;
        let changes = Changes::between(loaded, &new);
        let pinned = changes.pinned(&loaded.config, &new.config);
        if pinned.is_empty() {
            return Ok((new, changes));
        }
        let served = Loaded::pinned(&sources, &before.sources(true), &pinned)?;
        Ok((served, changes))
    }
}

/// Nothing of it: who misunderstood may have given a secret.
impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Given(…)")
    }
}
