//! What tests start ends with them, also when a test is killed.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tower_didt_test_support::child::Run;

/// A test that waits for longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_process_ends_with_the_test_that_started_it_even_when_that_is_killed() {
    let mut test = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "starts_a_process_and_waits", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .run()
        .expect("a process");
    let output = BufReader::new(test.stdout.take().expect("its output"));
    let line = output
        .lines()
        .map_while(Result::ok)
        .find_map(|line| line.split_once("started ").map(|(_, pid)| pid.trim().to_owned()));
    let process = format!("/proc/{}", line.expect("the number of its process"));
    assert!(Path::new(&process).exists(), "it runs");
    // As `kill -9`: the test has no time to end anything.
    test.end();
    let deadline = Instant::now() + PATIENCE;
    while runs(&process) {
        assert!(Instant::now() < deadline, "it outlives the test");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process is there, and more than an entry that nobody has asked for yet.
fn runs(process: &str) -> bool {
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
#[ignore = "is started, and killed, by the test above"]
fn starts_a_process_and_waits() {
    let child = Command::new("sleep").arg("600").run().expect("a process");
    println!("started {}", child.id());
    // Until somebody kills this process, or closes its input.
    let _ = std::io::stdin().lines().next();
    drop(child);
}
