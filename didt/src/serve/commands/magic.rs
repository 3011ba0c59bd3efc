//! `didt magic`: Magic's Admin API for operators.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use tower_didt::magic::{AdminApi, MagicError, SecretKey};
use tower_didt::{Clock, Issuer, SystemClock};

use crate::output::{invalid, say};

/// Look a user up in Magic's Admin API, or sign a user out there
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Magic {
    #[command(subcommand)]
    call: Call,

    /// The file with the application's secret key, sk_live_…
    #[arg(long, value_name = "FILE", global = true)]
    secret_key_file: Option<PathBuf>,

    /// Where the API is, if not at Magic: for tests
    #[arg(long, value_name = "URL", global = true)]
    api_url: Option<String>,
}

#[derive(Subcommand)]
enum Call {
    /// Print the client id of the application that the secret key belongs to
    ClientId,
    /// Print who is behind an issuer, as JSON
    User {
        /// did:ethr:0x…
        issuer: Issuer,
    },
    /// End a user's sessions with Magic (not those of `didt serve`)
    SignOut {
        /// did:ethr:0x…
        issuer: Issuer,
    },
}

const HELP: &str = "\
Examples:
  didt magic client-id --secret-key-file /etc/didt/magic.key
  didt magic user --secret-key-file /etc/didt/magic.key did:ethr:0x…

JSON of user:
  {\"issuer\":\"did:ethr:0x…\",\"email\":null,\"phone_number\":null,\"oauth_provider\":null,\"username\":null}

Exit codes:
  0  done
  1  Magic knows no such user, refuses the key, or cannot be asked; standard error says which
  2  the command line is wrong, or the file holds no secret key";

impl Magic {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let api = match self.api() {
            Ok(api) => api,
            Err(problem) => return Ok(invalid(problem)),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(ask(&api, &self.call)) {
            Ok(Some(line)) => writeln!(io::stdout(), "{line}").map(|()| ExitCode::SUCCESS),
            Ok(None) => Ok(ExitCode::SUCCESS),
            Err(error) => {
                say(error);
                Ok(ExitCode::FAILURE)
            }
        }
    }

    fn api(&self) -> Result<AdminApi, String> {
        let file = self.secret_key_file.as_ref().ok_or("--secret-key-file is missing")?;
        let key =
            SecretKey::from_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let api = AdminApi::new(key).map_err(|error| error.to_string())?;
        match &self.api_url {
            Some(url) => api.with_url(url).map_err(|error| format!("--api-url: {error}")),
            None => Ok(api),
        }
    }
}

/// The line to print, if there is one.
async fn ask(api: &AdminApi, call: &Call) -> Result<Option<String>, MagicError> {
    Ok(match call {
        Call::ClientId => Some(api.client_id().await?),
        Call::User { issuer } => {
            let user = api.user(*issuer, SystemClock.now()).await?;
            let user = json!({
                "issuer": user.issuer(),
                "email": user.email(),
                "phone_number": user.phone_number(),
                "oauth_provider": user.oauth_provider(),
                "username": user.username(),
            });
            Some(user.to_string())
        }
        Call::SignOut { issuer } => {
            api.sign_out(*issuer).await?;
            None
        }
    })
}
