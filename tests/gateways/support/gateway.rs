//! The gateways: which files they read, and how they are started.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A gateway whose files lie in a folder of `examples/gateways`.
pub(crate) struct Gateway {
    /// The folder.
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// Without `didt.toml`, which each has.
    pub(crate) files: &'static [&'static str],
    /// Starts it in the foreground, in a directory with the files.
    pub(crate) command: fn(program: &Path, directory: &Path) -> Command,
    /// Whether the upstream is kept from seeing the session cookie.
    pub(crate) removes_session_cookie: bool,
}

impl Gateway {
    /// The program's file.
    pub(crate) fn find(&self) -> Option<PathBuf> {
        if self.program == "envoy"
            && let Some(file) = std::env::var_os("DIDT_TEST_ENVOY")
        {
            return Some(file.into());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian's users do not have the folder of daemons in their path.
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|folder| folder.join(self.program))
            .find(|file| file.is_file())
    }

    /// Whether the program is there. Without it the test says that it is not run.
    pub(crate) fn available(&self, test: &str) -> bool {
        if self.find().is_some() {
            return true;
        }
        let required = std::env::var_os("TOWER_DIDT_REQUIRE_GATEWAYS");
        assert!(required.is_none_or(|value| value != "1"), "{} is required", self.program);
        // Past the capture of passing tests, so that it is seen.
        let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: there is no {}", self.program);
        false
    }
}

/// Ends the test early where there is no such gateway.
macro_rules! needs {
    ($gateway:expr) => {
        if !$gateway.available(concat!(module_path!(), " line ", line!())) {
            return;
        }
    };
}
pub(crate) use needs;
