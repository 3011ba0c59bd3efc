//! The command line of `didt doctor`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use http::HeaderName;
use tower_didt::magic::{AdminApi, SecretKey};
use tower_didt::testing::Wallet;

use super::examination::{Examination, SecretKeyOf};
use super::session::Tokens;
use super::wire::{Connector, Roots, Url};
use crate::arguments;

/// Longer than any token that is accepted.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

/// Probe a running gateway, as a client, for common mistakes
///
/// Requests a guarded route in all the ways that have got past gateways, and checks what came
/// through. Meanwhile, the upstream of the routes must be `didt echo`. It signs in and out again,
/// and changes nothing else.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Doctor {
    /// Routes that need a session, each of them probed
    #[arg(value_name = "URL", required_unless_present = "routes")]
    guarded: Vec<Url>,

    /// A route that anyone may reach, under a `public` rule, at the same gateway; can be repeated
    #[arg(long, value_name = "URL")]
    public: Vec<Url>,

    /// More routes: a file with `guarded URL` or `public URL` on each line
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,

    /// Wait this long for a sealed session's cookie to be renewed, to see whether caches may
    /// store it
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = renewal_wait)]
    renewal_wait: Duration,

    /// Where sign-in is: PREFIX/login, PREFIX/logout, PREFIX/session
    #[arg(long, value_name = "PREFIX", default_value = "/auth", value_parser = prefix)]
    auth: String,

    /// A header that tells the upstream who is calling; can be repeated, and the first has the
    /// issuer [default: X-Auth-Issuer, -Address, -Session, -Expires, -Assertion]
    #[arg(long = "identity-header", value_name = "NAME")]
    identity: Vec<HeaderName>,

    /// Time limit of each exchange
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = arguments::seconds)]
    timeout: Duration,

    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,

    /// The file with Magic's secret key that the gateway has: check that it works, and with
    /// --audience that it is that application's
    #[arg(long, value_name = "FILE")]
    secret_key_file: Option<PathBuf>,

    /// Where Magic's Admin API is, if not at Magic: for tests
    #[arg(long, value_name = "URL", requires = "secret_key_file")]
    api_url: Option<String>,

    /// Print one JSON object per examination, one per line, instead of the list
    #[arg(long)]
    pub(super) json: bool,

    #[command(flatten)]
    session: SignIn,
}

/// How to get a session. Without these, what needs one is skipped.
#[derive(Args)]
#[command(next_help_heading = "Signing in")]
struct SignIn {
    /// A fresh DID token, unused: the text, `-` for standard input, or the name of a file.
    /// A command line can be read by other users of the machine: prefer the latter two
    #[arg(long, value_name = "TOKEN|-|FILE")]
    token: Option<OsString>,

    /// Instead of a token, mint TEST tokens of this user, for a test set-up
    #[arg(long, requires = "audience", conflicts_with = "token")]
    seed: Option<String>,

    /// The audience of the test tokens: the gateway's Magic client id
    #[arg(
        long,
        value_name = "AUD",
        requires = "seed",
        value_parser = crate::arguments::audience
    )]
    audience: Option<String>,
}

const HELP: &str = r#"Output:
  One line per probe: ✓ passed, ✗ failed, ! warning, – skipped, ? inconclusive. A failure
  comes with what was found, why it matters, and how to fix it. Tokens and cookies are never shown.

Examples:
  didt echo --listen 127.0.0.1:3000                  the upstream during the examination
  didt doctor https://example.org/private --public https://example.org/public --token token.txt
  didt doctor http://127.0.0.1:8080/private --seed alice --audience did:magic:my-app
  didt doctor https://example.org/a https://example.org/b --public https://example.org/public

Exit codes:
  0  all passed; warnings and skipped probes do not count
  1  a probe failed or was inconclusive
  2  the command line is wrong, or nothing answers at the URL"#;

impl Doctor {
    /// One examination for each guarded route, and for each public one.
    pub(super) fn examinations(mut self) -> Result<Vec<Examination>, String> {
        if let Some(file) = &self.routes {
            read_routes(file, &mut self.guarded, &mut self.public)?;
        }
        let first = self.guarded.first().ok_or("there is no guarded route to examine")?;
        if !self.guarded.iter().chain(&self.public).all(|url| first.is_beside(url)) {
            return Err(
                "all routes, --public too, must be at the same gateway: same scheme, host \
                        and port"
                    .into(),
            );
        }
        let count = self.guarded.len().max(self.public.len());
        if count > MAX_ROUTES {
            return Err(format!("more than {MAX_ROUTES} routes: examine them in several runs"));
        }
        let roots = self.ca.as_deref().map_or(Roots::System, Roots::File);
        let connector = Arc::new(Connector::new(&roots, self.timeout)?);
        let names = self.identity.iter().map(|name| name.as_str().to_owned());
        let mut identity: Vec<_> = names.collect();
        if identity.is_empty() {
            identity = IDENTITY.map(str::to_owned).to_vec();
        }
        let secret_key = self.secret_key()?;
        let mut tokens = self.session.tokens()?;
        let mut examinations = Vec::with_capacity(count);
        // Where one kind has fewer routes, its last one stands in for the rest.
        let guarded =
            self.guarded.iter().chain(std::iter::repeat(self.guarded.last().unwrap_or(first)));
        let mut public = self.public.iter().chain(self.public.last().into_iter().cycle());
        for guarded in guarded.take(count) {
            let mut examination = Examination::new(
                guarded.clone(),
                public.next().cloned(),
                self.auth.clone(),
                identity.clone(),
                tokens.clone(),
                Arc::clone(&connector),
                self.renewal_wait,
            );
            // It is the same at all routes.
            if examinations.is_empty() {
                examination.secret_key.clone_from(&secret_key);
            }
            examinations.push(examination);
            tokens = tokens.after_use();
        }
        Ok(examinations)
    }
}

impl Doctor {
    fn secret_key(&self) -> Result<Option<SecretKeyOf>, String> {
        let Some(file) = &self.secret_key_file else { return Ok(None) };
        let key =
            SecretKey::from_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let api = AdminApi::new(key).map_err(|error| error.to_string())?;
        let api = match &self.api_url {
            Some(url) => api.with_url(url).map_err(|error| format!("--api-url: {error}"))?,
            None => api,
        };
        Ok(Some(SecretKeyOf { api, audience: self.session.audience.clone() }))
    }
}

/// The most routes of one run, each of them some hundreds of requests.
const MAX_ROUTES: usize = 100;

/// Longer than a file with so many routes is.
const MAX_ROUTES_FILE: u64 = 1024 * 1024;

fn read_routes(file: &Path, guarded: &mut Vec<Url>, public: &mut Vec<Url>) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let length = std::fs::metadata(file).map_err(|error| wrong(&error))?.len();
    if length > MAX_ROUTES_FILE {
        return Err(wrong(&"it is longer than 1 MiB"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = |error: &dyn std::fmt::Display| wrong(&format!("line {}: {error}", number + 1));
        let (kind, url) = line.split_once([' ', '\t']).ok_or_else(|| at(&EXPECTED))?;
        let url = url.trim().parse().map_err(|error: &str| at(&error))?;
        match kind {
            "guarded" => guarded.push(url),
            "public" => public.push(url),
            _ => return Err(at(&EXPECTED)),
        }
    }
    Ok(())
}

const EXPECTED: &str = "expected `guarded URL` or `public URL`";

/// Reads seconds, 0 for none. Sessions are renewed after a minute, or a tenth of the idle timeout.
fn renewal_wait(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| *seconds <= 600);
    seconds.map(Duration::from_secs).ok_or("expected whole seconds, 600 at most")
}

const IDENTITY: [&str; 6] = [
    "x-auth-issuer",
    "x-auth-address",
    "x-auth-email",
    "x-auth-session",
    "x-auth-expires",
    "x-auth-assertion",
];

impl SignIn {
    fn tokens(self) -> Result<Tokens, String> {
        if let (Some(seed), Some(audience)) = (&self.seed, self.audience) {
            let other = Arc::new(Wallet::from_seed(format!("{seed}, another user")));
            return Ok(Tokens::Minted {
                wallet: Arc::new(Wallet::from_seed(seed)),
                other,
                audience,
            });
        }
        let Some(argument) = self.token else { return Ok(Tokens::None) };
        let path = PathBuf::from(&argument);
        let token = match std::fs::metadata(&path) {
            // A token is longer than a file's name can be.
            Ok(file) if file.len() <= MAX_TOKEN_FILE => {
                std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?
            }
            Ok(_) => return Err(format!("{} is too long for a token", path.display())),
            Err(_) => arguments::read_token(argument).map_err(|error| error.to_string())?,
        };
        let token = String::from_utf8(token).map_err(|_| "the token is no text")?;
        let token = token.trim();
        // What cannot stand in a header would make another request of this one.
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token is empty or contains blanks".to_owned());
        }
        Ok(Tokens::One(token.to_owned()))
    }
}

/// Reads `/auth`.
fn prefix(text: &str) -> Result<String, &'static str> {
    let text = text.trim_end_matches('/');
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
    if !text.is_empty() && (!text.starts_with('/') || !text.bytes().all(plain)) {
        return Err("expected a path such as /auth");
    }
    Ok(text.to_owned())
}
