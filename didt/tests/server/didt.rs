//! The program, and a directory for its files.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tower_didt_test_support::child::{Run, Running};

pub(crate) use tower_didt_test_support::directory::Directory;

/// A test that waits for longer than this hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What every configuration here has in common; tables follow.
pub(crate) const TOP: &str =
    "audiences = [\"app\"]\nadmit = \"any_key\"\ntrusted_proxies = [\"127.0.0.1\"]\n";

/// Both listeners, on free ports.
pub(crate) const LISTEN: &str = "[listen]\npublic = \"127.0.0.1:0\"\nprivate = \"127.0.0.1:0\"\n";

/// `didt serve`, killed when it is dropped.
pub(crate) struct Didt {
    child: Running,
    lines: Receiver<String>,
    /// What standard error said so far.
    pub(crate) said: Vec<String>,
    _directory: Option<Directory>,
}

impl Didt {
    /// Starts it with this configuration. It need not come up.
    pub(crate) fn launch(configuration: &str) -> Self {
        let directory = Directory::new();
        let mut didt = Self::spawn(&mut command(&directory, configuration));
        didt._directory = Some(directory);
        didt
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .run()
            .expect("didt");
        let (send, lines) = channel();
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                // Who is not interested any more is gone: then neither are the lines.
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, said: Vec::new(), _directory: None }
    }

    /// Starts it and waits until it listens: it, and its listeners.
    pub(crate) fn start(configuration: &str) -> (Self, SocketAddr, SocketAddr) {
        let mut didt = Self::launch(configuration);
        let (public, private) = (didt.listens("public"), didt.listens("private"));
        (didt, public, private)
    }

    /// Where a listener is, once it says so.
    pub(crate) fn listens(&mut self, name: &str) -> SocketAddr {
        let line = self.line_with(&format!("didt: {name} listener on "));
        let (_, address) = line.rsplit_once("://").expect("a URL");
        address.parse().expect("an address")
    }

    /// Waits for a line with this in it, or takes one that came before.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(part)) {
            return line.clone();
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it never said {part:?}, but {:#?}", self.said);
            };
            self.said.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    /// Waits until it has ended, and takes in all that it said.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
                    self.said.push(line);
                }
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end; it said {:#?}", self.said);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Reads its standard error no further: it is a pipe without a reader from the next line on.
    pub(crate) fn stop_listening(&mut self) {
        let (_, nothing) = channel();
        self.lines = nothing;
    }
}

/// How it is started, with this configuration in that directory.
pub(crate) fn command(directory: &Directory, configuration: &str) -> Command {
    let file = directory.0.join("didt.toml");
    std::fs::write(&file, configuration).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_didt"));
    command.arg("serve").arg("--config").arg(file).env_remove("NOTIFY_SOCKET");
    command
}

/// A file in a directory, as a configuration names it.
pub(crate) fn file(directory: &Directory, name: &str, contents: &str) -> PathBuf {
    let path = directory.0.join(name);
    std::fs::write(&path, contents).expect("a file");
    path
}

/// Tries until it holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
