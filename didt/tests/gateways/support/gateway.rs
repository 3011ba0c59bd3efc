//! The gateways: which files they read, and how they are started.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Change;

/// A gateway whose files lie in a folder of `examples/gateways`.
pub(crate) struct Gateway {
    /// The folder.
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// Without `didt.toml`, which each has.
    pub(crate) files: &'static [&'static str],
    /// Starts it in the foreground, in a directory with the files. Without it the requests of
    /// the test go to `didt serve`.
    pub(crate) command: Option<fn(program: &Path, directory: &Path) -> Command>,
    /// What makes it speak HTTP/2 without TLS, to clients that begin with it; `None` if nothing does.
    pub(crate) http2: Option<&'static [Change<'static>]>,
    /// Whether it listens before it has its routes, and answers 404 until then.
    pub(crate) listens_early: bool,
    /// Whether the upstream is kept from seeing the session cookie.
    pub(crate) removes_session_cookie: bool,
}

impl Gateway {
    /// The program's file.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        find(self.program)
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let named = match program {
        "envoy" => std::env::var_os("DIDT_TEST_ENVOY"),
        "traefik" => std::env::var_os("DIDT_TEST_TRAEFIK"),
        _ => None,
    };
    if let Some(file) = named {
        return Some(file.into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's users do not have the folder of daemons in their path.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether a program is there. Without it the test says that it is not run.
pub(crate) fn available(program: &str, test: &str) -> bool {
    if find(program).is_some() {
        return true;
    }
    tower_didt_test_support::missing(test, program, &["TOWER_DIDT_REQUIRE_GATEWAYS"]);
    false
}

/// Ends the test early where one of these programs is missing.
macro_rules! needs {
    ($($program:expr),*) => {
        $(
            if !crate::support::available($program, concat!(module_path!(), " line ", line!())) {
                return;
            }
        )*
    };
}
pub(crate) use needs;
