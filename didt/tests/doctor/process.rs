//! The programs as processes, stopped when dropped, also by a failing test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use tower_didt_test_support::child::{Run, Running};

use serde_json::Value;

pub(crate) const AUDIENCE: &str = "did:magic:my-app";

/// A running process.
pub(crate) struct Process {
    pub(crate) child: Running,
    /// Where it listens, as it said.
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn echo() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_didt"))
            .arg("echo")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .run()
            .expect("didt starts");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("piped");
        BufReader::new(stderr).read_line(&mut line).expect("it says where it listens");
        let url = line.trim_end().strip_prefix("didt: echo listens on ").expect("one line").into();
        Self { child, url }
    }

    /// The example of a gateway.
    pub(crate) fn example(upstream: &str) -> Self {
        let test = std::env::current_exe().expect("this test's own path");
        let profile = test.parent().and_then(Path::parent).expect("target/PROFILE/deps");
        let name =
            Path::new("examples/reverse_proxy").with_extension(std::env::consts::EXE_EXTENSION);
        let path = profile.join(name);
        let hint = "with `--test` run `cargo build --all-features --example reverse_proxy` first";
        assert!(path.exists(), "{} is missing: {hint}", path.display());
        let mut child = Command::new(path)
            .args(["--listen", "127.0.0.1:0", upstream])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .run()
            .expect("the example starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = lines.next().expect("a line").expect("text");
        // It goes on printing: somebody has to read.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let url = line.strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("a URL")
    }
}

/// Runs `didt doctor` to its end.
pub(crate) fn doctor(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_didt"))
        .arg("doctor")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("didt runs")
}

/// What it says of a gateway at `url`, with all that it can be given.
pub(crate) fn examine(url: &str) -> Report {
    examine_with(url, &["--seed", "alice", "--audience", AUDIENCE])
}

pub(crate) fn examine_with(url: &str, more: &[&str]) -> Report {
    let (guarded, public) = (format!("{url}/private"), format!("{url}/public/page"));
    let args = [&["--json", &guarded, "--public", &public], more].concat();
    Report::new(&doctor(&args))
}

/// The JSON of one run.
pub(crate) struct Report {
    pub(crate) code: i32,
    pub(crate) text: String,
    value: Value,
}

impl Report {
    pub(crate) fn new(output: &Output) -> Self {
        let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(complaints, "", "{text}");
        let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        Self { code: output.status.code().expect("an exit code"), text, value }
    }

    /// The names of the probes with this outcome.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&str> {
        let probes = self.value["probes"].as_array().expect("probes").iter();
        let such = probes.filter(|probe| probe["outcome"] == outcome);
        such.map(|probe| probe["name"].as_str().expect("a name")).collect()
    }

    /// What one probe found, joined.
    pub(crate) fn found(&self, name: &str) -> String {
        let probes = self.value["probes"].as_array().expect("probes");
        let probe = probes.iter().find(|probe| probe["name"] == name).expect(name);
        let found = probe["found"].as_array().expect("findings").iter();
        found.map(|text| text.as_str().expect("text")).collect::<Vec<_>>().join("; ")
    }
}
