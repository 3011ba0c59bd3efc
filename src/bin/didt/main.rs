//! `didt`: look into DID tokens, verify them, and mint test tokens, on the command line.

mod arguments;
mod batch;
#[cfg(feature = "gateway")]
mod check_config;
#[cfg(feature = "gateway")]
mod doctor;
#[cfg(feature = "gateway")]
mod echo;
#[cfg(feature = "gateway")]
mod explain;
#[cfg(feature = "gateway")]
mod gateway;
mod inspect;
mod keygen;
mod mint;
#[cfg(feature = "gateway")]
mod serve;
mod verdict;
mod verify;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Inspect, verify and mint Magic (magic.link) DID tokens, and make keys for sessions.
#[derive(Parser)]
#[command(name = "didt", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Inspect),
    Verify(verify::Verify),
    Mint(mint::Mint),
    Keygen(keygen::Keygen),
    #[cfg(feature = "gateway")]
    Serve(serve::Serve),
    #[cfg(feature = "gateway")]
    Doctor(doctor::Doctor),
    #[cfg(feature = "gateway")]
    Echo(echo::Echo),
    #[cfg(feature = "gateway")]
    CheckConfig(check_config::CheckConfig),
    #[cfg(feature = "gateway")]
    Explain(explain::Explain),
}

const EXAMPLES: &str = "\
Examples:
  didt inspect WyIweD...                             what is in a token, unverified
  didt verify --audience did:magic:my-app WyIweD...  accept or reject, as JSON
  didt mint --seed alice --audience did:magic:my-app | didt inspect -
  didt keygen > session.key                          a key for sealed sessions

Exit codes:
  0  done (verify: the token is accepted)
  1  the token is rejected or malformed, or reading or writing failed
  2  the command line is wrong";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Inspect(inspect) => inspect.run(),
        Command::Verify(verify) => verify.run(),
        Command::Mint(mint) => mint.run(),
        Command::Keygen(keygen) => keygen.run(),
        #[cfg(feature = "gateway")]
        Command::Serve(serve) => serve.run(),
        #[cfg(feature = "gateway")]
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "gateway")]
        Command::Echo(echo) => echo.run(),
        #[cfg(feature = "gateway")]
        Command::CheckConfig(check) => check.run(),
        #[cfg(feature = "gateway")]
        Command::Explain(explain) => explain.run(),
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
