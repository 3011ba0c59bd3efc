//! `didt check-config`: what `didt serve` would do with its settings.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use http::{Method, StatusCode};
use serde_json::Value;
use tower_didt::magic::MagicError;

use super::arguments::FileArgs;
use super::dashboard;
use super::private_listener::PrivateListener;
use crate::output::{invalid, say};
use crate::serve::config::{Changes, Config, Loaded, Scope, Setting, scope};
use crate::serve::people;
use crate::serve::policy::{Overlap, Policy, Rule, Target};
use crate::serve::run;
use crate::serve::sites::{Named, Sites};

/// For the server that runs, which reads its files within 10 seconds.
const LIMIT: Duration = Duration::from_secs(15);

/// Check the settings of `didt serve` and explain them
///
/// Reads the policy file, the environment (DIDT__…) and the flags exactly as `didt serve` does,
/// and every file that they name. Secrets are not shown. With a sign-in page, it says what to enter in
/// Magic's dashboard.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckConfig {
    #[command(flatten)]
    settings: FileArgs,

    /// Do not read the files that settings name: for a machine without the secrets, such as a
    /// CI runner. Everything else is checked
    #[arg(long)]
    without_files: bool,

    /// Tell what a reload would change where NEW takes the place of OLD
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["file", "config"])]
    diff: Option<Vec<PathBuf>>,

    /// Tell what a reload would change at the server that runs: asks its private listener
    /// (`listen.private`), with the administrators' secret (`admin.secret_file`)
    #[arg(long, conflicts_with_all = ["without_files", "diff", "online"])]
    running: bool,

    /// Also ask Magic whether `magic.secret_key_file` works, and which application it is of. One
    /// call, with the settings' own time limit
    #[arg(long, conflicts_with_all = ["without_files", "diff"])]
    online: bool,
}

const HELP: &str = "\
Examples:
  didt check-config gateway.toml
  didt check-config gateway.toml --set store.kind=memory
  didt check-config --without-files gateway.toml
  didt check-config --diff /etc/didt/didt.toml new.toml
  didt check-config --running /etc/didt/didt.toml
  didt check-config --online gateway.toml
  DIDT__AUDIENCES=did:magic:my-app DIDT__ADMIT=any_key didt check-config

Exit codes:
  0  the settings are valid
  1  writing failed; with --online, Magic does not answer; with --running, the server does not, or refuses
  2  a setting is invalid, with --online also a secret key that Magic refuses, and the line on standard error says which; or the command line is wrong";

impl CheckConfig {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        if let Some([old, new]) = self.diff.as_deref() {
            return self.compare(old, new);
        }
        if self.running {
            return self.ask_running();
        }
        let loaded = match self.settings.load(!self.without_files) {
            Ok(loaded) => loaded,
            Err(error) => return Ok(invalid(error)),
        };
        if self.without_files {
            say("the files that the settings name were not read");
        } else if let Err(error) = run::check(&loaded) {
            return Ok(invalid(error));
        }
        let mut applications = Vec::new();
        for (_, Loaded { config, .. }) in loaded.iter() {
            applications.push(match self.application(config) {
                Ok(application) => application,
                Err(Failed::Invalid(wrong)) => return Ok(invalid(of_site(config, wrong))),
                Err(Failed::NoAnswer(why)) => {
                    say(of_site(config, why));
                    return Ok(ExitCode::FAILURE);
                }
            });
        }
        let mut out = io::stdout().lock();
        write_settings(&mut out, &loaded)?;
        for ((named, Loaded { config, .. }), application) in loaded.iter().zip(applications) {
            if let Some(Named { name, hosts }) = named {
                writeln!(out, "\nSITE {name}: {}", list(Some(hosts)))?;
            }
            write_rules(&mut out, &config.policy)?;
            dashboard::write(&mut out, config, named)?;
            if let Some(id) = application {
                writeln!(out, "\nmagic.secret_key_file works: it is of the application {id}")?;
            }
        }
        out.flush()?;
        loaded.iter().for_each(|(_, Loaded { config, .. })| warn_of_overlaps(config));
        Ok(ExitCode::SUCCESS)
    }

    /// One line for each difference, and none where there is none.
    fn compare(&self, old: &Path, new: &Path) -> io::Result<ExitCode> {
        let load = |file| self.settings.given_in(Some(file))?.load(!self.without_files);
        let changes = match load(old).and_then(|old| Ok(Changes::between(&old, &load(new)?))) {
            Ok(changes) => changes,
            Err(error) => return Ok(invalid(error)),
        };
        let mut out = io::stdout().lock();
        for change in changes.iter() {
            writeln!(out, "{}", change.to_string().replace(char::is_control, " "))?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

impl CheckConfig {
    /// The same lines, from the server that runs.
    fn ask_running(&self) -> io::Result<ExitCode> {
        let (listen, secret) = match self.settings.administration() {
            Ok((Some(listen), Some(secret))) => (listen, secret),
            Ok((None, _)) => {
                return Ok(invalid("listen.private is missing: the server is asked there"));
            }
            Ok((_, None)) => {
                let problem = "admin.secret_file is missing: without it there is no administration";
                return Ok(invalid(problem));
            }
            Err(error) => return Ok(invalid(error)),
        };
        let server = PrivateListener { listen, secret: Some(secret), limit: LIMIT };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let answer = match runtime.block_on(server.ask(Method::GET, "/admin/changes")) {
            Ok(answer) => answer,
            Err(error) => {
                say(format_args!("the server does not answer: {error}"));
                return Ok(ExitCode::FAILURE);
            }
        };
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        match answer.status {
            StatusCode::OK => {
                let mut out = io::stdout().lock();
                let changes = body.get("changes").and_then(Value::as_array);
                for change in changes.into_iter().flatten() {
                    let text = change.get("text").and_then(Value::as_str).unwrap_or_default();
                    writeln!(out, "{}", text.replace(char::is_control, " "))?;
                }
                out.flush()?;
                Ok(ExitCode::SUCCESS)
            }
            StatusCode::UNPROCESSABLE_ENTITY => {
                let message = body.get("message").and_then(Value::as_str);
                Ok(invalid(message.unwrap_or("the server refuses the settings")))
            }
            StatusCode::UNAUTHORIZED => {
                say("the server refuses the secret: it may have another one until it reloads");
                Ok(ExitCode::FAILURE)
            }
            status => {
                say(format_args!("the server answers with {status}"));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// Why it could not be found out which application the secret key is of.
enum Failed {
    Invalid(String),
    NoAnswer(String),
}

impl CheckConfig {
    /// The application of the secret key, if it is asked for and there is a key.
    fn application(&self, config: &Config) -> Result<Option<String>, Failed> {
        let Some(settings) = config.magic.as_ref().filter(|_| self.online) else {
            if self.online {
                say("there is no magic.secret_key_file to check");
            }
            return Ok(None);
        };
        let setup = |error: &dyn fmt::Display| Failed::Invalid(format!("magic: {error}"));
        let magic = people::client(settings).map_err(|error| setup(&error))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| setup(&error))?;
        let id = runtime.block_on(magic.client_id()).map_err(|error| {
            let text = format!("magic.secret_key_file: {error}");
            match error {
                MagicError::Unavailable(_) | MagicError::RateLimited { .. } => {
                    Failed::NoAnswer(text)
                }
                _ => Failed::Invalid(text),
            }
        })?;
        match &config.audiences {
            Some(audiences) if !audiences.accept(&id) => Err(Failed::Invalid(format!(
                "audiences: magic.secret_key_file is of the application {id}, whose tokens are not accepted"
            ))),
            _ => Ok(Some(id)),
        }
    }
}

/// More than this nobody reads.
const MAX_WARNINGS: usize = 20;

/// The first rule that matches applies: what a later one is meant to guard may be open.
fn warn_of_overlaps(config: &Config) {
    for Overlap { earlier, later, request } in config.policy.overlaps().take(MAX_WARNINGS) {
        let Target { method, host, path, .. } = &request;
        let site = of_site(config, "");
        say(format_args!(
            "warning: {site}the rule {:?} cuts into {:?}, which is stricter and comes later: {method} \
             https://{host}{path} asks for {}, not for {}; put the stricter rule first",
            earlier.name,
            later.name,
            earlier.asks_for(),
            later.asks_for()
        ));
    }
}

/// What there is to say, with the site that it is about where there are several.
fn of_site(config: &Config, said: impl fmt::Display) -> String {
    config.site.as_ref().map_or_else(|| said.to_string(), |site| format!("site {site}: {said}"))
}

/// Those of the only site; of several first what is the same for all, then the rest, each with its site.
fn write_settings(out: &mut impl Write, loaded: &Sites<Loaded>) -> io::Result<()> {
    let row = |setting: &Setting, site: Option<&Named>| {
        let key = match site {
            Some(Named { name, .. }) => format!("{name}: {}", setting.key),
            None => setting.key.to_owned(),
        };
        [key, setting.value.clone(), setting.origin.to_string()]
    };
    let several = loaded.are_several();
    let is_of_all = |setting: &&Setting| !several || scope(setting.key) == Some(Scope::All);
    let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned)];
    let shared = loaded.first().settings.iter().filter(is_of_all);
    rows.extend(shared.map(|setting| row(setting, None)));
    for (named, Loaded { settings, .. }) in loaded.iter().filter(|_| several) {
        let own = settings.iter().filter(|setting| !is_of_all(setting));
        rows.extend(own.map(|setting| row(setting, named)));
    }
    write_table(out, rows)
}

fn write_rules(out: &mut impl Write, policy: &Policy) -> io::Result<()> {
    writeln!(out)?;
    let mut rows = vec![["", "RULE", "HOSTS", "METHODS", "PATHS", "ASKS FOR"].map(str::to_owned)];
    rows.extend(
        policy.rules().iter().enumerate().map(|(number, rule)| row((number + 1).to_string(), rule)),
    );
    rows.push(row("else".to_owned(), policy.otherwise()));
    write_table(out, rows)
}

fn row(number: String, rule: &Rule) -> [String; 6] {
    let requests = &rule.requests;
    let mut hosts = list(requests.hosts.as_deref());
    if let Some(networks) = requests.networks.as_deref() {
        hosts = format!("{hosts} from {}", list(Some(networks)));
    }
    [
        number,
        rule.name.clone(),
        hosts,
        list(requests.methods.as_deref()),
        list(requests.paths.as_deref()),
        rule.asks_for(),
    ]
}

fn list<T: ToString>(items: Option<&[T]>) -> String {
    items.map_or_else(
        || "any".to_owned(),
        |items| items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    )
}

/// Columns as wide as their widest cell, but for very long ones, which push the rest of their row.
fn write_table<const N: usize>(out: &mut impl Write, rows: Vec<[String; N]>) -> io::Result<()> {
    const WIDEST: usize = 48;
    let rows: Vec<_> =
        rows.into_iter().map(|row| row.map(|cell| cell.replace(char::is_control, " "))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(WIDEST));
        }
    }
    for row in &rows {
        let cells: Vec<_> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
