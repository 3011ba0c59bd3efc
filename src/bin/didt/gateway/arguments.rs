//! Stands in until settings are read: nothing can be configured yet, and nothing is served.

use clap::Args;

use super::config::Config;

/// The policy file and what overrides it.
#[derive(Args)]
pub(crate) struct ConfigArgs {}

/// The settings.
pub(crate) struct Loaded {
    pub(crate) config: Config,
}

impl ConfigArgs {
    /// Reads and checks the settings.
    pub(crate) fn load(&self) -> Result<Loaded, &'static str> {
        Err("settings cannot be read yet")
    }
}
