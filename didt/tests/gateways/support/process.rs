//! Programs that run beside a test and end with it.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tower_didt_test_support::child::{Run, Running};

/// For a program to listen. Only a test that fails waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program in the foreground, killed when it is dropped.
pub(crate) struct Process {
    child: Running,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts it and waits until it listens.
    pub(crate) fn start(name: &str, mut command: Command, directory: &Path, port: u16) -> Self {
        let log = directory.join(format!("{name}.log"));
        let output = File::create(&log).expect("a log");
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log again"))
            .stderr(output)
            .run()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut process = Self { child, name: name.to_owned(), log };
        process.wait_for(port);
        process
    }

    fn wait_for(&mut self, port: u16) {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            assert!(Instant::now() < deadline, "{} does not listen:\n{}", self.name, self.log());
            sleep(Duration::from_millis(10));
        }
    }

    /// All that it has printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// As `kill -9`: it has no time to say goodbye.
    pub(crate) fn kill(&mut self) {
        self.child.end();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.name, self.log());
        }
    }
}
