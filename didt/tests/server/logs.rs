//! What is on standard error.

use std::process::Command;

use serde_json::Value;

use crate::didt::{Didt, Directory, LISTEN, TOP, command, eventually};
use crate::http::get;

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
    let (mut didt, _, _) = Didt::start(&format!("audiences = [\"app\"]\n{LISTEN}"));
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
        let found = didt.said.iter().any(|line| line.contains("fewer files may be open"));
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
