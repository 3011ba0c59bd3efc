//! `didt healthcheck`: whether a running server can be used, for those who may run a program and
//! have no HTTP client: a container's health check, an orchestrator's exec probe, a script.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};

use super::arguments::ConfigArgs;
use super::private_listener::PrivateListener;
use crate::output::{invalid, say};

/// Ask a running `didt serve` whether it can be used
///
/// Asks the private listener that the settings name (`listen.private`) for /readyz: whether the
/// store answers and the server is not about to stop. Reads no other setting and no secret.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    config: ConfigArgs,

    /// Ask only whether the process answers (/healthz): for a probe that restarts what fails, since
    /// a restart does not repair a store
    #[arg(long)]
    live: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

const HELP: &str = "\
Examples:
  didt healthcheck --config /etc/didt/didt.toml
  didt healthcheck --set listen.private=127.0.0.1:9090 --live

Exit codes:
  0  ready (with --live: alive)
  1  not, or nobody answers; standard error says which
  2  the settings name no private listener, or the command line is wrong";

impl Healthcheck {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let listen = match self.config.private_listener() {
            Ok(Some(listen)) => listen,
            Ok(None) => {
                return Ok(invalid(
                    "listen.private is missing, and health checks use the private listener",
                ));
            }
            Err(error) => return Ok(invalid(error)),
        };
        let path = if self.live { "/healthz" } else { "/readyz" };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let limit = Duration::from_secs(self.timeout);
        let server = PrivateListener { listen, secret: None, limit };
        let problem = match runtime.block_on(server.ask(Method::GET, path)) {
            Ok(answer) if answer.status == StatusCode::OK => return Ok(ExitCode::SUCCESS),
            Ok(answer) => {
                let said = String::from_utf8_lossy(&answer.body).into_owned();
                let line = said.lines().next().unwrap_or_default().replace(char::is_control, " ");
                format!("{path} answers {}: {line}", answer.status.as_u16())
            }
            Err(error) => format!("{path} cannot be asked: {error}"),
        };
        say(problem);
        Ok(ExitCode::FAILURE)
    }
}
