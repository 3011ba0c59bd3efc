//! What keeps it from serving: exit code 2 and one line that says why.

use std::net::TcpListener;

use crate::didt::{Didt, Directory, LISTEN, TOP, command, file};

fn refused(configuration: &str) -> String {
    let directory = Directory::new();
    let mut didt = Didt::spawn(&mut command(&directory, configuration));
    assert_eq!(didt.ended().code(), Some(2), "{:?}", didt.said);
    let lines: Vec<_> = didt.said.iter().filter(|line| line.starts_with("didt: ")).collect();
    assert_eq!(lines.len(), 1, "{:?}", didt.said);
    lines[0].clone()
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address");
    for (public, private) in [(address.to_string(), "127.0.0.1:0"), ("127.0.0.1:0".into(), "")] {
        let private = if private.is_empty() { address.to_string() } else { private.to_owned() };
        let line =
            refused(&format!("{TOP}[listen]\npublic = \"{public}\"\nprivate = \"{private}\"\n"));
        assert_eq!(line, format!("didt: cannot listen on {address}: address already in use"));
    }
}

#[test]
fn settings_that_cannot_be() {
    let nothing = refused("");
    assert!(nothing.contains("audiences"), "{nothing}");
    let url = refused(&format!(
        "{TOP}{LISTEN}[store]\nkind = \"redis\"\nurl = \"http://:hunter2@localhost\"\n"
    ));
    assert!(!url.contains("hunter2"), "{url}");
    let directory = Directory::new();
    let (certificate, key) =
        (file(&directory, "certificate", "no PEM"), file(&directory, "key", "no PEM"));
    let tls = refused(&format!(
        "{TOP}{LISTEN}[listen.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"
    ));
    assert!(tls.contains("certificate"), "{tls}");
}
