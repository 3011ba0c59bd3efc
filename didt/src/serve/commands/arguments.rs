//! What the commands of the gateway take to find their settings.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::serve::config::{
    Invalid, Loaded, MAX_FILE_LEN, Origin, Sources, VARIABLE_PREFIX, read_file,
};

/// The environment variable that names the policy file.
const FILE_VARIABLE: &str = "DIDT_CONFIG";

/// The policy file and what overrides it.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct ConfigArgs {
    /// The policy file [default: what the environment variable DIDT_CONFIG names; without both, no
    /// file]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    overrides: Overrides,
}

/// What overrides the policy file.
#[derive(Args)]
pub(crate) struct Overrides {
    /// Set a key to a TOML value or a bare text, whatever the file and the environment say, such
    /// as --set sessions.lifetime=1d; can be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    flags: Vec<(String, String)>,
}

impl ConfigArgs {
    /// Reads and checks the settings.
    pub(crate) fn load(&self) -> Result<Loaded, Invalid> {
        self.overrides.load(self.config.as_deref())
    }
}

impl Overrides {
    /// Reads and checks the settings of this file, or of the one that the environment names.
    pub(crate) fn load(&self, file: Option<&Path>) -> Result<Loaded, Invalid> {
        let variable = env::var_os(FILE_VARIABLE).map(PathBuf::from);
        let path = file.or(variable.as_deref());
        let file = path.map(|path| Ok((path.display().to_string(), text(path)?))).transpose()?;
        Loaded::new(&Sources {
            file: file.as_ref().map(|(name, text)| (name.as_str(), text.as_str())),
            variables: variables(env::vars_os())?,
            flags: self.flags.clone(),
            read: read_file,
        })
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
