//! What is on standard error.

use std::io::Read;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::didt::{Didt, Directory, LISTEN, TOP, command, eventually};
use crate::http::{ask, get};
use tower_didt_test_support::child::Run;

#[test]
fn json_is_an_object_a_line_but_for_where_it_listens() {
    let configuration = format!("{TOP}{LISTEN}[log]\nformat = \"json\"\nlevel = \"debug\"\n");
    let (mut didt, _, private) = Didt::start(&configuration);
    assert_eq!(get(private, "/readyz").status, 200);
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0));
    let (plain, json): (Vec<_>, Vec<_>) =
        didt.said.iter().partition(|line| line.starts_with("didt: "));
    assert_eq!(plain.len(), 2, "{plain:?}");
    assert!(!json.is_empty());
    for line in json {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let (mut didt, _, _) =
        Didt::start(&format!("audiences = [\"app\"]\nadmit = \"any_key\"\n{LISTEN}"));
    didt.line_with("trusted_proxies is empty");

    let open = "[listen]\npublic = \"0.0.0.0:0\"\nprivate = \"0.0.0.0:0\"\n";
    let (mut didt, _, _) = Didt::start(&format!("{TOP}{open}"));
    didt.line_with("the public listener speaks plain HTTP to other machines");
    didt.line_with("the private listener can be reached from other machines");
    didt.signal("TERM");
    didt.ended();
    assert!(!didt.said.iter().any(|line| line.contains("trusted_proxies")), "{:?}", didt.said);
}

#[test]
fn a_system_that_allows_fewer_files_than_connections_is_warned_of() {
    let directory = Directory::new();
    let configuration = format!("{TOP}{LISTEN}[limits]\nconnections = 1000\n");
    for (files, warned) in [("512", true), ("1024", true), ("2048", false)] {
        let didt = command(&directory, &configuration);
        let mut limited = Command::new("sh");
        let script = format!("ulimit -n {files}; exec \"$@\"");
        limited.args(["-c", &script, "sh"]).arg(didt.get_program()).args(didt.get_args());
        let mut didt = Didt::spawn(&mut limited);
        didt.listens("private");
        didt.signal("TERM");
        assert_eq!(didt.ended().code(), Some(0));
        let found = didt.said.iter().any(|line| line.contains("the limit on open files"));
        assert_eq!(found, warned, "{files}: {:#?}", didt.said);
    }
}

#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let configuration = format!("{TOP}{LISTEN}[log]\nlevel = \"debug\"\n");
    let (mut didt, _, private) = Didt::start(&configuration);
    didt.stop_listening();
    // Each of them is a line: the first ends the reader, the others meet a closed pipe.
    for _ in 0..20 {
        didt.signal("HUP");
        assert_eq!(get(private, "/readyz").status, 200);
    }
    assert!(didt.is_running());
    didt.signal("TERM");
    eventually("it ends", || !didt.is_running());
    assert_eq!(didt.ended().code(), Some(0));
}

/// Where a listener is, as the next line says. Reads no further than that line.
fn announced(stderr: &mut impl Read) -> SocketAddr {
    let mut line = Vec::new();
    let mut byte = [0];
    while byte != *b"\n" {
        stderr.read_exact(&mut byte).expect("a line");
        line.extend_from_slice(&byte);
    }
    let line = String::from_utf8(line).expect("text");
    let (_, address) = line.trim_end().rsplit_once("://").expect("a URL");
    address.parse().expect("an address")
}

/// A collector that is restarted, a terminal that is stopped: the pipe is full, and somebody may fill it on purpose.
#[test]
fn a_reader_of_the_log_that_pauses_stops_nothing() {
    let directory = Directory::new();
    let mut didt = command(&directory, &format!("{TOP}{LISTEN}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .run()
        .expect("didt");
    let mut stderr = didt.stderr.take().expect("piped");
    let (public, private) = (announced(&mut stderr), announced(&mut stderr));
    // Each is a line of a hundred bytes and more; a pipe holds 64 KiB.
    for number in 0..700 {
        let answer = ask(public, "GET", "/auth/session", &[("Authorization", "Bearer x")]);
        assert_eq!(answer.status, 401, "request {number}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(private, path).status, 200, "{path}");
    }
    didt.signal("TERM");
    eventually("it ends", || didt.try_wait().expect("a child").is_some());
    assert_eq!(didt.try_wait().expect("a child").and_then(|status| status.code()), Some(0));
}
