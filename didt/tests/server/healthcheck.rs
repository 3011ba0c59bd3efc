//! `didt healthcheck`, for those who have no HTTP client.

use std::net::SocketAddr;
use std::process::{Command, Output};

use crate::didt::{Didt, Directory, LISTEN, TOP, command};

fn healthcheck(settings: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_didt"));
    command.arg("healthcheck").env_remove("DIDT_CONFIG");
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.output().expect("didt runs")
}

fn at(private: SocketAddr) -> String {
    format!("listen.private={private}")
}

#[test]
fn health_is_said_by_the_exit_code() {
    let (mut didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}"));
    assert_eq!(healthcheck(&[&at(private)]).status.code(), Some(0));
    didt.signal("TERM");
    didt.ended();
    let output = healthcheck(&[&at(private)]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.starts_with("didt: /readyz cannot be asked: "), "{said}");
}

#[test]
fn a_store_that_does_not_answer_is_unready_and_alive() {
    let store = "[store]\nkind = \"redis\"\nurl = \"redis://127.0.0.1:1\"\n";
    let (_didt, _, private) = Didt::start(&format!("{TOP}{LISTEN}{store}"));
    let output = healthcheck(&[&at(private)]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(said, "didt: /readyz answers 503: the store does not answer\n");
    let mut alive = Command::new(env!("CARGO_BIN_EXE_didt"));
    alive.args(["healthcheck", "--live", "--set", &at(private)]).env_remove("DIDT_CONFIG");
    assert_eq!(alive.status().expect("didt runs").code(), Some(0));
}

#[test]
fn the_policy_file_names_the_listener_and_nothing_else_of_it_is_read() {
    let directory = Directory::new();
    let socket = directory.0.join("private.sock");
    let listen =
        format!("[listen]\npublic = \"127.0.0.1:0\"\nprivate = \"unix:{}\"\n", socket.display());
    let mut didt = Didt::spawn(&mut command(&directory, &format!("{TOP}{listen}")));
    didt.line_with("private listener on ");
    // A file without audiences, with a secret that is not there: a probe needs neither.
    let file = directory.0.join("probe.toml");
    std::fs::write(&file, format!("{listen}[admin]\nsecret_file = \"/nowhere\"\n"))
        .expect("a file");
    let mut probe = Command::new(env!("CARGO_BIN_EXE_didt"));
    let output = probe.arg("healthcheck").arg("--config").arg(file).output().expect("didt runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn who_does_not_speak_http_is_not_healthy_and_is_not_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut probe = Command::new(env!("CARGO_BIN_EXE_didt"));
    // Nobody accepts: the connection stands in the queue and says nothing.
    probe.args(["healthcheck", "--timeout", "1", "--set", &at(address)]).env_remove("DIDT_CONFIG");
    let output = probe.output().expect("didt runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(said, "didt: /readyz cannot be asked: no answer within 1 s\n");
}

#[test]
fn settings_without_a_private_listener_are_a_mistake_of_their_own() {
    let output = healthcheck(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("listen.private is missing"), "{said}");
}
