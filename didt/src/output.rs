//! What the commands write, and the exit codes that they share.

use std::fmt::Display;
use std::io::{self, Write};
#[cfg(feature = "serve")]
use std::process::ExitCode;

use serde::Serialize;

/// The exit code where nothing was done: the command line or a setting is invalid, or what it names
/// cannot be used. clap exits with it, too, which is all that the token commands need.
#[cfg(feature = "serve")]
const INVALID: u8 = 2;

/// Writes one line to standard error. Unlike `eprintln!` it does not panic if that is closed.
pub(crate) fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "didt: {message}");
}

/// Says why the command cannot begin, and returns the exit code for that.
#[cfg(feature = "serve")]
pub(crate) fn invalid(reason: impl Display) -> ExitCode {
    say(reason);
    invalid_already_said()
}

/// The exit code of a command that has said itself why it cannot begin.
#[cfg(feature = "serve")]
pub(crate) fn invalid_already_said() -> ExitCode {
    INVALID.into()
}

/// Writes one JSON value and a line end.
pub(crate) fn write_line(mut out: impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")
}
