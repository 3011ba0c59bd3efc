//! `didt echo`, from outside.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use serde_json::{Value, json};

use tower_didt_test_support::http::{self, Reply};

use super::process::Process;

/// The whole answer to these bytes.
fn exchange(echo: &Process, bytes: &[u8]) -> String {
    let Reply { head, body, .. } = http::exchange(echo.address(), bytes);
    format!("{head}\r\n\r\n{body}")
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).expect("JSON")
}

#[test]
fn it_shows_a_request_as_it_was_sent() {
    let echo = Process::echo();
    let request = b"BREW /a/../b?c#d HTTP/1.1\r\nX_A: 1\r\nhOST: x\r\nX-b: \xe9\r\nX_A: 2\r\n\
                    Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    let expected = json!({
        "request": 1,
        "method": "BREW",
        "target": "/a/../b?c#d",
        "version": "HTTP/1.1",
        "headers": [
            ["X_A", "1"],
            ["hOST", "x"],
            ["X-b", "é"],
            ["X_A", "2"],
            ["Transfer-Encoding", "chunked"]
        ],
        "body_bytes": 4
    });
    let answer = exchange(&echo, request);
    assert_eq!(body(&answer), expected);
    assert!(answer.contains("x-didt-echo: 1\r\n"), "{answer}");
    assert!(answer.contains("cache-control: no-store\r\n"), "{answer}");
    let again = exchange(&echo, b"GET /?cache=60 HTTP/1.0\r\n\r\n");
    assert_eq!(
        (&body(&again)["request"], &body(&again)["version"]),
        (&json!(2), &json!("HTTP/1.0"))
    );
    assert!(again.contains("cache-control: public, max-age=60\r\n"), "{again}");
}

#[test]
fn it_upgrades_to_a_protocol_that_sends_every_byte_back() {
    let echo = Process::echo();
    let mut stream = TcpStream::connect(echo.address()).expect("connects");
    let head = "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: echo\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(b"\0any\xffbytes").expect("sent");
    stream.shutdown(Shutdown::Write).expect("ended");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("answered");
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    // Proxies written in Go take an upgrade that says `close` for none.
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(text.contains("\r\nconnection: upgrade\r\n") && !text.contains("close"), "{text}");
    // Of RFC 6455 itself, section 1.3.
    assert!(text.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{text}");
    assert!(answer.ends_with(b"\r\n\r\n\0any\xffbytes"), "{}", String::from_utf8_lossy(&answer));
}

#[cfg(unix)]
#[test]
fn it_ends_when_it_is_told_to() {
    for signal in ["-TERM", "-INT"] {
        let mut echo = Process::echo();
        let id = echo.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill").success());
        let status = echo.child.wait().expect("it ends");
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[test]
fn its_help_says_that_it_is_for_tests() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_didt")).args(["echo", "--help"]).output().expect("runs");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(help.starts_with("TEST SERVER, not for production"), "{help}");
}
