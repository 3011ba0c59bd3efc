//! `didt completions` and `didt man`: what packages install beside the program, made from its own command line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

/// Print a script that completes the command line of didt in a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  didt completions bash > /usr/share/bash-completion/completions/didt
  didt completions zsh > /usr/share/zsh/vendor-completions/_didt
  didt completions fish > /usr/share/fish/vendor_completions.d/didt.fish")]
pub(crate) struct Completions {
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut command: Command) -> io::Result<ExitCode> {
        // Into memory first: the generator panics where it cannot write, on a closed pipe for instance.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "didt", &mut script);
        io::stdout().write_all(&script)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Write manual pages: didt.1, and one for each command
#[derive(Args)]
#[command(after_help = "\
Examples:
  didt man /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// A directory that exists
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, command: Command) -> io::Result<ExitCode> {
        clap_mangen::generate_to(command, &self.directory)?;
        Ok(ExitCode::SUCCESS)
    }
}
