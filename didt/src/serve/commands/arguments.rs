//! What the commands of the gateway take to find their settings.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::serve::config::{
    self, Given, Invalid, Listen, Loaded, MAX_FILE_LEN, Origin, Secret, Sources, VARIABLE_PREFIX,
    read_file,
};
use crate::serve::policy::Policy;
use crate::serve::sites::Sites;

/// The environment variable that names the policy file.
const FILE_VARIABLE: &str = "DIDT_CONFIG";

/// The policy file, named in either way, and what overrides it.
#[derive(Args)]
pub(crate) struct FileArgs {
    /// The policy file, as with --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,

    #[command(flatten)]
    named: ConfigArgs,
}

impl FileArgs {
    /// What is set, unchecked.
    pub(crate) fn given(&self) -> Result<Given, Invalid> {
        self.given_in(self.file.as_deref().or(self.named.config.as_deref()))
    }

    /// The same with this policy file.
    pub(crate) fn given_in(&self, file: Option<&Path>) -> Result<Given, Invalid> {
        self.named.overrides.given(file)
    }

    /// Where operators connect, and administrators' secret; other settings are ignored.
    pub(crate) fn administration(&self) -> Result<(Option<Listen>, Option<Secret>), Invalid> {
        config::administration(&self.given()?.sources(true))
    }

    /// Reads and checks the settings; with or without the files that they name.
    pub(crate) fn load(&self, files: bool) -> Result<Sites<Loaded>, Invalid> {
        self.given()?.load(files)
    }
}

/// The policy file and what overrides it.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct ConfigArgs {
    /// The policy file [default: the environment variable DIDT_CONFIG, or else
    /// no file]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,
}

/// What overrides the policy file.
#[derive(Args)]
pub(crate) struct Overrides {
    /// Set a key to a TOML value or bare text, overriding the file and the environment,
    /// such as --set sessions.lifetime=1d; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting, global = true)]
    flags: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Reads and checks the rules.
    pub(crate) fn policy(&self) -> Result<Sites<Policy>, Invalid> {
        self.overrides.read(self.config.as_deref(), config::policy)
    }

    /// Where operators connect, and administrators' secret; other settings are ignored.
    pub(crate) fn administration(&self) -> Result<(Option<Listen>, Option<Secret>), Invalid> {
        config::administration(&self.overrides.given(self.config.as_deref())?.sources(true))
    }

    /// Where operators connect, if anywhere; other settings are ignored.
    pub(crate) fn private_listener(&self) -> Result<Option<Listen>, Invalid> {
        self.overrides.read(self.config.as_deref(), config::private_listener)
    }
}

impl Overrides {
    /// What is set in this file, or in the one that the environment names, and beside it.
    fn given(&self, file: Option<&Path>) -> Result<Given, Invalid> {
        let variable = env::var_os(FILE_VARIABLE).map(PathBuf::from);
        let path = file.or(variable.as_deref());
        let file = path.map(|path| Ok((path.display().to_string(), text(path)?))).transpose()?;
        Ok(Given { file, variables: variables(env::vars_os())?, flags: self.flags.clone() })
    }

    /// Reads it without the files that settings name.
    fn read<T>(
        &self,
        file: Option<&Path>,
        read: impl FnOnce(&Sources<'_>) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        read(&self.given(file)?.sources(false))
    }
}

fn text(path: &Path) -> Result<String, Invalid> {
    let invalid =
        |problem: String| Invalid::new(Origin::Default, path.display().to_string(), problem);
    let bytes = read_file(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
    if bytes.len() > MAX_FILE_LEN {
        return Err(invalid(format!("longer than {MAX_FILE_LEN} bytes")));
    }
    String::from_utf8(bytes.to_vec()).map_err(|_| invalid("not UTF-8".to_owned()))
}

/// The variables that are settings, sorted by name.
fn variables(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, Invalid> {
    let ours =
        all.filter(|(name, _)| name.as_encoded_bytes().starts_with(VARIABLE_PREFIX.as_bytes()));
    let mut read = ours
        .map(|(name, value)| {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(Invalid::new(Origin::Environment(name), "", "is not UTF-8")),
            }
        })
        .collect::<Result<Vec<_>, _>>()?;
    read.sort();
    Ok(read)
}

/// Reads `KEY=VALUE`.
fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
