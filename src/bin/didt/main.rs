//! `didt`, the command line.
//!
//! ```text
//! token     look into tokens, verify them, mint test tokens, make keys
//! gateway   serve: answers gateways such as nginx; check-config and explain: its settings
//! doctor    probes a running gateway, with echo for its upstream
//! ```

#[cfg(feature = "gateway")]
mod doctor;
#[cfg(feature = "gateway")]
mod echo;
#[cfg(feature = "gateway")]
mod gateway;
mod token;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Magic (magic.link) DID tokens on the command line: inspect, verify and mint them; and, if built
/// with the feature `gateway`, guard routes behind nginx and other gateways with them.
#[derive(Parser)]
#[command(name = "didt", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Token(token::Command),
    #[cfg(feature = "gateway")]
    #[command(flatten)]
    Gateway(gateway::commands::Command),
    #[cfg(feature = "gateway")]
    Doctor(doctor::Doctor),
    #[cfg(feature = "gateway")]
    Echo(echo::Echo),
}

const EXAMPLES: &str = "\
Examples:
  didt inspect WyIweD...                             what is in a token, unverified
  didt verify --audience did:magic:my-app WyIweD...  accept or reject, as JSON
  didt mint --seed alice --audience did:magic:my-app | didt inspect -
  didt keygen > session.key                          a key for sealed sessions
  didt serve --config didt.toml                      answer a gateway (feature `gateway`)
  didt doctor https://example.com/private            probe it (feature `gateway`)

Exit codes:
  0  done (verify: the token is accepted)
  1  the token is rejected or malformed, or reading or writing failed
  2  the command line is wrong";

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Token(command) => command.run(),
        #[cfg(feature = "gateway")]
        Command::Gateway(command) => command.run(),
        #[cfg(feature = "gateway")]
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "gateway")]
        Command::Echo(echo) => echo.run(),
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
