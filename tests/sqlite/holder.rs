//! Another process in the middle of a change to the store's file.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tower_didt_test_support::child::{Run, Running};
use tower_didt_test_support::directory::Directory;

/// Names the file, in a process that [`Holder::start`] started.
const FILE: &str = "TOWER_DIDT_TEST_HOLDS";

/// A process that has the file's lock for writing, and has removed all sessions in a transaction that it
/// has not ended yet.
pub(crate) struct Holder(Running);

impl Holder {
    /// Returns once that process has the lock.
    pub(crate) fn start(directory: &Directory) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "holder::hold", "--ignored", "--nocapture"])
            .env(FILE, directory.0.join("sessions.db"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .run()
            .expect("a process");
        assert_ne!(child.id(), std::process::id());
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut lines = output.lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "HOLDS"), "the other process has no lock");
        // The test runner there says when a test takes long, and ends where nobody listens.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// The process undoes its change, and ends.
    pub(crate) fn let_go(mut self) {
        let mut input = self.0.stdin.take().expect("its input");
        input.write_all(b"let go\n").expect("it listens");
        assert!(self.0.wait().expect("an end").success());
    }

    /// The process is killed in the middle of its change, as by `kill -9`.
    pub(crate) fn kill(mut self) {
        self.0.end();
    }
}

#[tokio::test]
#[ignore = "run by other tests, in a process of its own"]
async fn hold() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let options = SqliteConnectOptions::new().filename(Path::new(&file));
    let mut connection = options.connect().await.expect("the file");
    let mut change = connection.begin_with("BEGIN IMMEDIATE").await.expect("the lock");
    let removed = sqlx::query("DELETE FROM didt_sessions").execute(&mut *change).await;
    assert!(removed.expect("the change").rows_affected() > 0, "there is a session to remove");
    println!("\nHOLDS");
    let _ = std::io::stdin().read_line(&mut String::new());
    change.rollback().await.expect("the end");
}
