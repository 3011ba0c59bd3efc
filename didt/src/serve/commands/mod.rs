//! The commands of those who run `didt serve`.

mod arguments;
mod check_config;
mod dashboard;
mod explain;
mod healthcheck;
mod magic;
mod private_listener;
mod schema;
mod serve;
mod sessions;

use std::io;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    CheckConfig(check_config::CheckConfig),
    Explain(explain::Explain),
    Healthcheck(healthcheck::Healthcheck),
    Magic(magic::Magic),
    Schema(schema::Schema),
    Sessions(sessions::Sessions),
}

impl Command {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::CheckConfig(check) => check.run(),
            Self::Explain(explain) => explain.run(),
            Self::Healthcheck(check) => check.run(),
            Self::Magic(magic) => magic.run(),
            Self::Schema(schema) => schema.run(),
            Self::Sessions(sessions) => sessions.run(),
        }
    }
}
