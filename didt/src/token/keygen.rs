//! `didt keygen`: a key for sealed sessions.

use std::io::{self, Write};
use std::process::ExitCode;

use tower_didt::SealingKeys;

/// Print a new key for sealed sessions.
///
/// 32 random bytes of the operating system, as text for a file or an environment
/// variable that `SealingKeys` reads. To change keys, put the new one in front and
/// keep the old one for as long as sessions live.
#[derive(clap::Args)]
pub(crate) struct Keygen {}

impl Keygen {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        let key = SealingKeys::generate_text().map_err(io::Error::other)?;
        writeln!(io::stdout().lock(), "{}", key.trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}
