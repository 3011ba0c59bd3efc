//! `didt check-config`: what `didt serve` would do with its settings.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::arguments::FileArgs;
use super::dashboard;
use crate::output::{invalid, say};
use crate::serve::config::{Changes, Loaded};
use crate::serve::policy::{Overlap, Policy, Rule, Target};
use crate::serve::run;

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
}

const HELP: &str = "\
Examples:
  didt check-config gateway.toml
  didt check-config gateway.toml --set store.kind=memory
  didt check-config --without-files gateway.toml
  didt check-config --diff /etc/didt/didt.toml new.toml
  DIDT__AUDIENCES=did:magic:my-app DIDT__ADMIT=any_key didt check-config

Exit codes:
  0  the settings are valid
  1  writing failed
  2  a setting is invalid, and the line on standard error says which; or the command line is wrong";

impl CheckConfig {
    pub(crate) fn run(&self) -> io::Result<ExitCode> {
        if let Some([old, new]) = self.diff.as_deref() {
            return self.compare(old, new);
        }
        let loaded = match self.settings.load(!self.without_files) {
            Ok(loaded) => loaded,
            Err(error) => return Ok(invalid(error)),
        };
        if self.without_files {
            say("the files that the settings name were not read");
        } else if let Err(error) = run::check(&loaded.config) {
            return Ok(invalid(error));
        }
        let mut out = io::stdout().lock();
        write_settings(&mut out, &loaded)?;
        write_rules(&mut out, &loaded.config.policy)?;
        dashboard::write(&mut out, &loaded.config)?;
        out.flush()?;
        warn_of_overlaps(&loaded.config.policy);
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

/// More than this nobody reads.
const MAX_WARNINGS: usize = 20;

/// The first rule that matches applies: what a later one is meant to guard may be open.
fn warn_of_overlaps(policy: &Policy) {
    for Overlap { earlier, later, request } in policy.overlaps().take(MAX_WARNINGS) {
        let Target { method, host, path, .. } = &request;
        say(format_args!(
            "warning: the rule {:?} cuts into {:?}, which is stricter and comes later: {method} \
             https://{host}{path} asks for {}, not for {}; put the stricter rule first",
            earlier.name,
            later.name,
            earlier.asks_for(),
            later.asks_for()
        ));
    }
}

fn write_settings(out: &mut impl Write, loaded: &Loaded) -> io::Result<()> {
    let mut rows = vec![["SETTING", "VALUE", "FROM"].map(str::to_owned)];
    rows.extend(loaded.settings.iter().map(|setting| {
        [setting.key.to_owned(), setting.value.clone(), setting.origin.to_string()]
    }));
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
