//! Stands in until settings are read: nothing can be configured yet, and nothing is served.

use clap::Args;

use super::Config;

/// What is said on the command line.
#[derive(Args)]
pub(crate) struct Arguments {}

/// Reads all settings.
pub(crate) fn load(_arguments: Arguments) -> Result<Config, &'static str> {
    Err("settings cannot be read yet")
}
