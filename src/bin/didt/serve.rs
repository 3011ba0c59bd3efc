//! `didt serve`.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::complain;
use crate::gateway::{config, run};

/// What is wrong before anything is served: as with a wrong command line.
const CANNOT_START: u8 = 2;

/// For tasks that nobody waits for.
const LEFTOVERS: Duration = Duration::from_millis(100);

/// Serve a gateway that asks who is calling (nginx, Caddy, Traefik, Envoy, HAProxy).
#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    settings: config::Arguments,
}

impl Serve {
    /// Serves until it is told to stop.
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let config = match config::load(self.settings) {
            Ok(config) => config,
            Err(error) => {
                complain(error);
                return Ok(CANNOT_START.into());
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let outcome = runtime.block_on(run::run(config));
        runtime.shutdown_timeout(LEFTOVERS);
        Ok(match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(error);
                CANNOT_START.into()
            }
        })
    }
}
