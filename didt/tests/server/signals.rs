//! Told to stop, it finishes; told twice, or when its time is over, it ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use tower_didt_test_support::certificate::Certificate;

use crate::didt::{Didt, Directory, LISTEN, TOP, command, eventually, file};
use crate::http::{answer, connect, get};

#[test]
fn it_stops_as_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}"));
        didt.signal(signal);
        assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
        for address in [public, private] {
            assert!(TcpStream::connect(address).is_err(), "{address}");
        }
    }
}

/// A connection whose first request has begun to arrive, as the server knows.
fn begun(public: SocketAddr, private: SocketAddr) -> TcpStream {
    let mut stream = connect(public);
    stream.write_all(b"GET /nowhere HTTP/1.1\r\n").expect("a connection");
    eventually("the connection is taken", || {
        get(private, "/metrics").body.contains("didt_connections{listener=\"public\"} 1")
    });
    stream
}

#[test]
fn a_request_that_has_begun_to_arrive_is_answered_and_readiness_says_no_meanwhile() {
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}"));
    let mut slow = begun(public, private);
    assert_eq!(get(private, "/readyz").status, 200);
    didt.signal("TERM");
    didt.line_with("stopping");
    eventually("it is not ready", || get(private, "/readyz").status == 503);
    assert_eq!(get(private, "/healthz").status, 200, "it lives");
    // The private listener may know of it a moment sooner than the public one.
    eventually("it takes nothing new", || TcpStream::connect(public).is_err());
    slow.write_all(b"Host: a\r\n\r\n").expect("a connection");
    let answer = answer(&mut slow);
    // The connection may hear of the end a moment after the listener: then it says nothing, and
    // closes.
    let closes = answer.head.contains("connection: close")
        || slow.read_to_end(&mut Vec::new()).is_ok_and(|rest| rest == 0);
    assert!(closes, "{answer:?}");
    assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
}

#[test]
fn what_does_not_finish_in_time_is_dropped() {
    let limits = "[limits]\nheader_timeout = \"1h\"\nshutdown_timeout = \"1s\"\n";
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{limits}"));
    let _stuck = begun(public, private);
    didt.signal("TERM");
    didt.line_with("the shutdown timeout passed with requests still in flight");
    assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
}

#[test]
fn told_twice_it_ends_at_once() {
    let limits = "[limits]\nheader_timeout = \"1h\"\nshutdown_timeout = \"1h\"\n";
    let (mut didt, public, private) = Didt::start(&format!("{TOP}{LISTEN}{limits}"));
    let _stuck = begun(public, private);
    didt.signal("TERM");
    didt.line_with("stopping");
    didt.signal("INT");
    didt.line_with("second signal");
    assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
}

#[test]
fn it_serves_again_once_there_are_file_descriptors_again() {
    let directory = Directory::new();
    let didt = command(&directory, &format!("{TOP}{LISTEN}"));
    let mut few = std::process::Command::new("sh");
    few.args(["-c", "ulimit -n 32; exec \"$@\"", "sh"]).arg(didt.get_program());
    let mut didt = Didt::spawn(few.args(didt.get_args()));
    let (public, private) = (didt.listens("public"), didt.listens("private"));
    let crowd: Vec<_> = (0..64).map(|_| connect(public)).collect();
    didt.line_with("cannot take a connection");
    drop(crowd);
    eventually("there is room", || {
        let mut stream = connect(private);
        let asked =
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut text = String::new();
        asked.is_ok()
            && stream.read_to_string(&mut text).is_ok()
            && text.starts_with("HTTP/1.1 200")
    });
    assert!(didt.is_running());
}

/// What takes the place of a certificate is checked as at the start, and signals are heard
/// meanwhile.
#[test]
fn a_reload_of_what_is_no_file_changes_nothing_and_ends() {
    let directory = Directory::new();
    let pair = Certificate::of("example.com");
    let certificate = file(&directory, "tls.crt", &pair.pem);
    let key = file(&directory, "tls.key", &pair.key);
    let tls = format!("tls = {{ certificate = {certificate:?}, key = {key:?} }}\n");
    let mut didt = Didt::spawn(&mut command(&directory, &format!("{TOP}{LISTEN}{tls}")));
    didt.listens("private");
    let replacements: [(&str, fn(&std::path::Path)); 3] = [
        ("a pipe", |path| {
            let made = std::process::Command::new("mkfifo").arg(path).status();
            assert!(made.expect("mkfifo").success());
        }),
        ("a directory", |path| std::fs::create_dir(path).expect("a directory")),
        ("a huge file", |path| {
            std::fs::File::create(path).and_then(|file| file.set_len(1 << 40)).expect("a file");
        }),
    ];
    for (name, replace) in replacements {
        if certificate.is_dir() {
            std::fs::remove_dir(&certificate).expect("an empty directory");
        } else {
            std::fs::remove_file(&certificate).expect("a file");
        }
        replace(&certificate);
        didt.said.clear();
        didt.signal("HUP");
        let line = didt.line_with("keeping the current settings");
        assert!(
            line.contains("listen.tls.certificate") && line.contains("cannot be read"),
            "{name}: {line}"
        );
    }
    didt.signal("TERM");
    assert_eq!(didt.ended().code(), Some(0), "{:?}", didt.said);
}
