//! `[limits]` and `[log]`.

use std::time::Duration;

use super::{HOUR, SECOND};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::config::{Limits, Log, LogFormat, LogLevel};

/// hyper's own least; a token of full length needs more.
const MIN_HEADER_BYTES: u64 = 8 * 1024;
const MAX_HEADER_BYTES: u64 = 1024 * 1024;

/// More than a process may have files.
const MAX_CONNECTIONS: u64 = 1_000_000;

pub(in crate::serve::config) fn limits(settings: &mut Settings<'_>) -> Result<Limits, Invalid> {
    let default = Limits::default();
    let mut whole = |key, default: usize, range| {
        let number = settings.whole_or(key, default as u64, range)?;
        Ok(usize::try_from(number).unwrap_or(usize::MAX))
    };
    let connections = whole("limits.connections", default.connections, 1..=MAX_CONNECTIONS)?;
    let header_bytes =
        whole("limits.header_bytes", default.header_bytes, MIN_HEADER_BYTES..=MAX_HEADER_BYTES)?;
    let mut span = |key, default: Duration| settings.span_or(key, default, SECOND..=HOUR);
    Ok(Limits {
        connections,
        header_bytes,
        header_timeout: span("limits.header_timeout", default.header_timeout)?,
        request_timeout: span("limits.request_timeout", default.request_timeout)?,
        write_timeout: span("limits.write_timeout", default.write_timeout)?,
        shutdown_timeout: span("limits.shutdown_timeout", default.shutdown_timeout)?,
    })
}

pub(in crate::serve::config) fn log(settings: &mut Settings<'_>) -> Result<Log, Invalid> {
    let format =
        settings.choice("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
    let level = settings.choice(
        "log.level",
        &[
            ("info", LogLevel::Info),
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("debug", LogLevel::Debug),
        ],
    )?;
    let personal = settings.flag_or("log.personal", false)?;
    Ok(Log { format, level, personal })
}
