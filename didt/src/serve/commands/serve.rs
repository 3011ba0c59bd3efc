//! `didt serve`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::arguments::FileArgs;
use crate::output::{invalid, invalid_already_said};
use crate::serve::run;

/// The time given to tasks that nobody waits for.
const LEFTOVERS: Duration = Duration::from_millis(100);

/// Serve a gateway that asks who is calling (nginx, Caddy, Traefik, Envoy, HAProxy)
///
/// SIGTERM and SIGINT stop it gracefully, a second signal stops it immediately; SIGHUP reads all
/// settings and files again. It reports its addresses on standard error, where it also logs.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: FileArgs,
}

const HELP: &str = "\
Exit codes:
  0  stopped by a signal
  1  the runtime could not be started
  2  a setting is invalid, or an address cannot be bound; standard error says why";

impl Serve {
    /// Serves until a signal stops it.
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let given = self.settings.given();
        let read = given.and_then(|given| given.load(true).map(|loaded| (given, loaded)));
        let (given, loaded) = match read {
            Ok(read) => read,
            Err(error) => return Ok(invalid(error)),
        };
        let again: run::Reader = Arc::new(move || self.settings.given());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let started = runtime.block_on(run::run(given, loaded, again));
        runtime.shutdown_timeout(LEFTOVERS);
        Ok(if started { ExitCode::SUCCESS } else { invalid_already_said() })
    }
}
