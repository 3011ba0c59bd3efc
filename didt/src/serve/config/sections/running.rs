//! `[limits]` and `[log]`.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{HOUR, SECOND};
use crate::serve::config::invalid::Invalid;
use crate::serve::config::settings::Settings;
use crate::serve::policy::Network;

/// What a client may take of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections at a time; more wait in the system's queue. Defaults to 10,000.
    pub(crate) connections: usize,
    /// Bytes of a request's head. Defaults to 32 KiB.
    pub(crate) header_bytes: usize,
    /// For a request's head to arrive. Defaults to 10 seconds.
    pub(crate) header_timeout: Duration,
    /// For an answer to be made. Defaults to 10 seconds.
    pub(crate) request_timeout: Duration,
    /// For a client to read an answer. Defaults to 10 seconds.
    pub(crate) write_timeout: Duration,
    /// For what is in flight when the server stops. Defaults to 30 seconds.
    pub(crate) shutdown_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_bytes: 32 * 1024,
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(30),
        }
    }
}

/// How often a client may sign in or be refused, per minute. `None` means any number, the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    /// Attempts to sign in, by a client's network.
    pub(crate) sign_ins: Option<NonZeroU32>,
    /// Sign-ins of one issuer.
    pub(crate) sign_ins_per_issuer: Option<NonZeroU32>,
    /// Tokens that are refused, by a client's network.
    pub(crate) denials: Option<NonZeroU32>,
    /// Clients without limits.
    pub(crate) exempt: Vec<Network>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: LogLevel,
    /// Whether audit events name e-mail addresses.
    pub(crate) personal: bool,
    /// Whether each check is logged. Defaults to no.
    pub(crate) access: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much is logged. Audit events are logged at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

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

/// More than a machine checks signatures.
const MAX_RATE: u64 = 1_000_000;

pub(in crate::serve::config) fn rates(settings: &mut Settings<'_>) -> Result<Rates, Invalid> {
    let mut rate = |key| {
        let number = settings.whole_or(key, 0, 0..=MAX_RATE)?;
        Ok(u32::try_from(number).ok().and_then(NonZeroU32::new))
    };
    let (sign_ins, sign_ins_per_issuer, denials) =
        (rate("rates.sign_ins")?, rate("rates.sign_ins_per_issuer")?, rate("rates.denials")?);
    const EXEMPT: &str = "rates.exempt_networks";
    let exempt = settings.list(EXEMPT)?;
    let exempt = exempt.iter().map(|text| {
        Network::parse(text)
            .map_err(|fault| settings.invalid(EXEMPT, format_args!("{text:?} {fault}")))
    });
    let exempt = exempt.collect::<Result<_, _>>()?;
    Ok(Rates { sign_ins, sign_ins_per_issuer, denials, exempt })
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
    let access = settings.flag_or("log.access", false)?;
    Ok(Log { format, level, personal, access })
}
