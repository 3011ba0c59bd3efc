//! The program `didt`.
//!
//! ```text
//! token     inspects and verifies tokens, mints test tokens, makes keys
//! serve     answers gateways such as nginx; check-config and explain: its settings
//! doctor    probes a running gateway, with echo as its upstream
//! manual    manual pages and shell completions, for packages
//! output    what commands write, and their exit codes; arguments: tokens and times as they take them
//! ```
//!
//! **This crate is not a library API.** Its modules are public only as far as the project's own tests
//! and fuzz targets import them, and they change without notice. The library is `tower-didt`, and the
//! program uses nothing but its public API.

mod arguments;
#[cfg(feature = "serve")]
mod doctor;
#[cfg(feature = "serve")]
mod echo;
#[cfg(all(feature = "serve", any(fuzzing, tower_didt_internals)))]
#[doc(hidden)]
pub mod fuzzing;
mod manual;
mod output;
#[cfg(feature = "serve")]
mod serve;
mod token;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::output::say;

/// Magic (magic.link) DID tokens on the command line: inspect, verify and mint them; and, if built
/// with the feature `serve`, guard routes behind nginx and other gateways with them.
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
    #[cfg(feature = "serve")]
    #[command(flatten)]
    Serve(serve::commands::Command),
    #[cfg(feature = "serve")]
    Doctor(doctor::Doctor),
    #[cfg(feature = "serve")]
    Echo(echo::Echo),
    Completions(manual::Completions),
    Man(manual::Man),
}

const EXAMPLES: &str = "\
Examples:
  didt inspect WyIweD...                             what is in a token, unverified
  didt verify --audience did:magic:my-app WyIweD...  accept or reject, as JSON
  didt mint --seed alice --audience did:magic:my-app | didt inspect -
  didt keygen > session.key                          a key for sealed sessions
  didt serve --config didt.toml                      answer a gateway (feature `serve`)
  didt doctor https://example.com/private            probe it (feature `serve`)

Exit codes:
  0  done (verify: the token is accepted)
  1  the token is rejected or malformed, or reading or writing failed
  2  the command line is wrong";

/// Runs the command line that the process was started with; its exit code.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Token(command) => command.run(),
        #[cfg(feature = "serve")]
        Command::Serve(command) => command.run(),
        #[cfg(feature = "serve")]
        Command::Doctor(doctor) => doctor.run(),
        #[cfg(feature = "serve")]
        Command::Echo(echo) => echo.run(),
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    };
    outcome.unwrap_or_else(|error| {
        // The reader of the output has had enough (`didt … | head`): that is not an error.
        // The code is 1 all the same: a verdict that was not read is not an acceptance.
        if error.kind() != io::ErrorKind::BrokenPipe {
            say(&error);
        }
        ExitCode::FAILURE
    })
}
