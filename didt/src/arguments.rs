//! What several commands take: tokens, times, spans of time.

use std::ffi::OsString;
use std::io::{self, Read};
use std::time::Duration;

use clap::Args;
use tower_didt::token::InvalidAudience;
use tower_didt::{Audiences, Clock, SystemClock, Timestamp};

/// The most that is ever read of one token or one line: 64 MiB.
pub(crate) const MAX_INPUT: u64 = 64 * 1024 * 1024;

/// The time of the check.
#[derive(Args)]
pub(crate) struct At {
    /// Check as if it were this time, in seconds since 1970-01-01 UTC (may be negative or have a
    /// fraction) [default: now]
    #[arg(long, value_name = "UNIX", value_parser = time, allow_hyphen_values = true)]
    at: Option<Timestamp>,
}

impl At {
    pub(crate) fn now(&self) -> Timestamp {
        self.at.unwrap_or_else(|| SystemClock.now())
    }
}

/// The bytes of the token that `argument` is, or that `-` finds on standard input.
///
/// Of standard input one line end is cut off, as `echo` appends it. Everything else is the
/// token's: a blank makes it malformed here as it does in a header.
pub(crate) fn read_token(argument: OsString) -> io::Result<Vec<u8>> {
    if argument != "-" {
        return Ok(argument.into_encoded_bytes());
    }
    let mut token = Vec::new();
    // Beyond the limit it is malformed anyway, however it goes on.
    io::stdin().lock().take(MAX_INPUT).read_to_end(&mut token)?;
    if token.pop_if(|byte| *byte == b'\n').is_some() {
        token.pop_if(|byte| *byte == b'\r');
    }
    Ok(token)
}

/// Reads an audience given on the command line.
pub(crate) fn audience(text: &str) -> Result<String, InvalidAudience> {
    Audiences::from(text).check().map(|()| text.to_owned())
}

/// Reads a time given on the command line.
pub(crate) fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .ok()
        .and_then(Timestamp::from_secs_f64)
        .ok_or("expected a finite number of seconds since 1970-01-01 UTC")
}

/// Reads a duration given on the command line.
pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or("expected a number of seconds from 0 to about 1.8e19")
}
