//! `didt magic`: Magic's Admin API for operators.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;
use tokio::net::TcpListener;
use tower_didt::magic::{AdminApi, MagicError, SecretKey};
use tower_didt::testing::{self, TestUser};
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
    /// Answer as Magic's Admin API does, on this machine, for tests: users and faults to order
    Stub {
        /// Where to listen: a loopback address; port 0 for a free one
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
        listen: SocketAddr,

        /// The client id that the stub says the secret key is of
        #[arg(long, value_name = "ID", default_value = "did:magic:stub")]
        client_id: String,

        /// A JSON file with a list of users in the form of Magic's API: objects with `issuer`, `email` …
        #[arg(long, value_name = "FILE")]
        users: Option<PathBuf>,
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

  didt magic stub --secret-key-file test.key --users users.json --listen 127.0.0.1:9002
  curl -X PUT -d '{\"kind\":\"status\",\"status\":503}' http://127.0.0.1:9002/stub/fault

JSON of user:
  {\"issuer\":\"did:ethr:0x…\",\"email\":null,\"phone_number\":null,\"oauth_provider\":null,\"username\":null}

Exit codes:
  0  done
  1  Magic knows no such user, refuses the key, or cannot be asked; standard error says which
  2  the command line is wrong, or the file holds no secret key";

impl Magic {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        if let Call::Stub { listen, client_id, users } = &self.call {
            return stub(self.secret_key_file.as_deref(), *listen, client_id, users.as_deref());
        }
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

/// The longest file of users that is read, in bytes.
const MAX_USERS_FILE: u64 = 64 * 1024 * 1024;

/// Serves until it is ended. Its port is for this machine: whoever reaches it may change what it says.
fn stub(
    secret_key_file: Option<&Path>,
    listen: SocketAddr,
    client_id: &str,
    users: Option<&Path>,
) -> io::Result<ExitCode> {
    if !listen.ip().is_loopback() {
        return Ok(invalid("--listen: the stub is for tests, and listens on a loopback address"));
    }
    let Some(file) = secret_key_file else { return Ok(invalid("--secret-key-file is missing")) };
    let at =
        |file: &Path, error: &dyn Display| invalid(format_args!("{}: {error}", file.display()));
    let key = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Ok(at(file, &error)),
    };
    if let Err(error) = key.trim().parse::<SecretKey>() {
        return Ok(at(file, &error));
    }
    let stub = testing::Magic::new(key.trim(), client_id);
    if let Some(file) = users {
        match read_users(file) {
            Ok(users) => users.into_iter().for_each(|user| stub.add_user(user)),
            Err(error) => return Ok(at(file, &error)),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = match TcpListener::bind(listen).await {
            Ok(listener) => listener,
            Err(error) => return Ok(invalid(format_args!("--listen {listen}: {error}"))),
        };
        let server = stub.serve_on(listener)?;
        let mut out = io::stdout();
        writeln!(out, "{}", server.url())?;
        out.flush()?;
        tokio::signal::ctrl_c().await?;
        Ok(ExitCode::SUCCESS)
    })
}

fn read_users(file: &Path) -> Result<Vec<TestUser>, String> {
    let length = std::fs::metadata(file).map_err(|error| error.to_string())?.len();
    if length > MAX_USERS_FILE {
        return Err("it is longer than 64 MiB".to_owned());
    }
    let text = std::fs::read(file).map_err(|error| error.to_string())?;
    let users: Vec<_> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let users: Option<Vec<_>> = users.into_iter().map(TestUser::from_json).collect();
    users.ok_or_else(|| "a user has no issuer of the form did:ethr:0x…".to_owned())
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
        // It asks nothing.
        Call::Stub { .. } => None,
        Call::SignOut { issuer } => {
            api.sign_out(*issuer).await?;
            None
        }
    })
}
