//! Requests, one a connection.

use std::io::{Read, Write};
use std::net::SocketAddr;

use tower_didt_test_support::http;
pub(crate) use tower_didt_test_support::http::{Reply as Answer, connect};

pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    ask_at(address, "example.com", method, path, headers)
}

/// The same with this `Host`.
pub(crate) fn ask_at(
    address: SocketAddr,
    host: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut stream = connect(address);
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).expect("a connection");
    answer(&mut stream)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[])
}

/// All that comes until the connection is closed.
pub(crate) fn answer(stream: &mut impl Read) -> Answer {
    let answer = http::read_to_end(stream);
    assert_ne!(answer.status, 0, "no answer");
    answer
}
