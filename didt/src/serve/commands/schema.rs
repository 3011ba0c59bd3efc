//! `didt schema`: the SQL of a store in a database, for those who run it themselves.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use tower_didt::{PostgresStore, SqliteStore};

use crate::output::invalid;

/// Print the SQL that makes the tables of a store in a database
///
/// For those who run it themselves and set `store.migrate = false`. Connects to nothing.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Schema {
    /// Which database
    kind: Kind,

    /// As `store.prefix`: the schema in PostgreSQL, what the names of tables begin with in SQLite
    #[arg(long, value_name = "NAME", default_value = "didt")]
    prefix: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Postgres,
    Sqlite,
}

const HELP: &str = "\
Examples:
  didt schema postgres | psql --set ON_ERROR_STOP=1 shop
  didt schema sqlite --prefix shop | sqlite3 sessions.db

Exit codes:
  0  done
  1  writing failed
  2  the command line is wrong, or the prefix is no name that it may be";

impl Schema {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        // Neither leads anywhere: nothing is opened.
        let sql = match self.kind {
            Kind::Postgres => PostgresStore::builder("postgres://localhost/")
                .with_schema(self.prefix)
                .schema_sql()
                .map_err(|error| error.to_string()),
            Kind::Sqlite => SqliteStore::builder("sqlite:sessions.db")
                .with_prefix(self.prefix)
                .schema_sql()
                .map_err(|error| error.to_string()),
        };
        match sql {
            Ok(sql) => {
                io::stdout().lock().write_all(sql.as_bytes())?;
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => Ok(invalid(format_args!("--prefix: {error}"))),
        }
    }
}
