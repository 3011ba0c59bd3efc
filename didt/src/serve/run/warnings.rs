//! Warnings about settings that are valid but probably unintended.

use tracing::warn;

use super::generation::PRIVATE_CONNECTIONS;
use crate::serve::config::{Config, Listen, PrivateListener};
use crate::serve::peer::TrustedProxies;

/// Open files besides the connections of the public listener: the private one's, listeners, Redis.
const OTHER_FILES: usize = PRIVATE_CONNECTIONS + 64;

/// Warns about settings, by themselves and against what the system allows.
pub(super) fn of_settings(config: &Config) {
    if config.trusted_proxies == TrustedProxies::default() {
        warn!("trusted_proxies is empty, so every gateway's check is refused");
    }
    if let (Listen::Tcp(address), None) = (&config.public.listen, &config.public.tls)
        && !address.ip().to_canonical().is_loopback()
    {
        warn!(%address, "the public listener speaks plain HTTP to other machines");
    }
    match &config.private {
        Some(PrivateListener { listen: Listen::Tcp(address), .. })
            if !address.ip().to_canonical().is_loopback() =>
        {
            warn!(%address, "the private listener can be reached from other machines");
        }
        _ => {}
    }
    let connections = config.limits.connections;
    if let Some(files) = open_files()
        && files.saturating_sub(OTHER_FILES) < connections
    {
        warn!(
            files,
            connections, "the limit on open files (`ulimit -n`) is lower than limits.connections"
        );
    }
}

/// How many files this process may have open at a time (`ulimit -n`), where that can be read.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
