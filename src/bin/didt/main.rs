//! `didt`: verify DID tokens and mint test tokens, on the command line.

mod arguments;
mod batch;
mod mint;
mod verdict;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Verify and mint Magic (magic.link) DID tokens.
#[derive(Parser)]
#[command(name = "didt", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Verify(verify::Verify),
    Mint(mint::Mint),
}

const EXAMPLES: &str = "\
Examples:
  didt verify --audience did:magic:my-app WyIweD...  accept or reject, as JSON

Exit codes:
  0  done (verify: the token is accepted)
  1  the token is rejected or malformed, or reading or writing failed
  2  the command line is wrong";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Verify(verify) => verify.run(),
        Command::Mint(mint) => mint.run(),
    };
    outcome.unwrap_or_else(|error| {
        // Whoever read the output has had enough (`didt … | head`): no reason to complain.
        // The code is 1 all the same: a verdict that nobody could read is no acceptance.
        if error.kind() != io::ErrorKind::BrokenPipe {
            complain(&error);
        }
        ExitCode::FAILURE
    })
}

/// One line on standard error. Unlike `eprintln!` it does not panic if that is closed.
pub(crate) fn complain(message: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "didt: {message}");
}
