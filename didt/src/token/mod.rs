//! The commands about tokens and keys.

mod batch;
mod inspect;
mod keygen;
mod mint;
mod rules;
mod verdict;
mod verify;

use std::io;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Mint(mint::Mint),
    Keygen(keygen::Keygen),
}

impl Command {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        match self {
            Self::Inspect(inspect) => inspect.run(),
            Self::Verify(verify) => verify.run(),
            Self::Mint(mint) => mint.run(),
            Self::Keygen(keygen) => keygen.run(),
        }
    }
}
