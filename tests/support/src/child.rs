//! Processes that end with the test that started them.
//!
//! A test that fails drops its children, which kills them. A test that is killed drops nothing:
//! for that, a shell waits at the end of a pipe that only the test process holds open. When the
//! test process is gone, however it went, the pipe closes, and the shell kills what is left.

use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Keeps the list of processes that were started (`+ PID`) and that have ended (`- PID`), and at
/// the end of its input kills those that remain.
const WATCHMAN: &str = r#"
pids=
while read -r sign pid; do
    rest=
    for other in $pids; do [ "$other" = "$pid" ] || rest="$rest $other"; done
    pids=$rest
    [ "$sign" = - ] || pids="$pids $pid"
done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
"#;

static WATCH: LazyLock<Mutex<ChildStdin>> = LazyLock::new(watchman);

#[expect(clippy::zombie_processes, reason = "it has to outlive the test process, to see it end")]
fn watchman() -> Mutex<ChildStdin> {
    let mut shell = Command::new("sh")
        .args(["-c", WATCHMAN])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own: an interrupt from the terminal must not end it before the others.
        .process_group(0)
        .spawn()
        .expect("a shell");
    Mutex::new(shell.stdin.take().expect("piped"))
}

fn note(sign: char, pid: u32) {
    let mut watch = WATCH.lock().unwrap_or_else(PoisonError::into_inner);
    writeln!(watch, "{sign} {pid}").expect("the watchman listens");
}

/// Has a process killed when the test process ends that a child started, and no longer.
pub(crate) fn watch(pid: u32) {
    note('+', pid);
}

/// Ends what [`watch`] began.
pub(crate) fn unwatch(pid: u32) {
    note('-', pid);
}

/// A process that is killed when this is dropped, or when the test process ends.
#[derive(Debug)]
pub struct Running(Child);

/// Starts commands for the time of a test.
pub trait Run {
    /// Starts the command, as [`Command::spawn`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Command::spawn`].
    fn run(&mut self) -> io::Result<Running>;
}

impl Run for Command {
    fn run(&mut self) -> io::Result<Running> {
        let child = self.spawn()?;
        note('+', child.id());
        Ok(Running(child))
    }
}

impl Running {
    /// Kills it, as `kill -9` does, and waits until it is gone.
    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.expect("kill").success());
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        note('-', self.0.id());
    }
}
