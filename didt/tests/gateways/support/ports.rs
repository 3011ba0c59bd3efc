//! Ports of this machine that nobody uses.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

/// A free port, given to no other test of this process.
pub(super) fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        if GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port) {
            return port;
        }
    }
}

/// Exchanges the ports of a sample file. Only whole numbers are.
pub(super) fn exchange_ports(text: &str, ports: &[(u16, u16)]) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (number, after) = from.split_at(end);
        let port = ports.iter().find(|(known, _)| known.to_string() == number);
        result.push_str(before);
        match port {
            Some((_, port)) => result.push_str(&port.to_string()),
            None => result.push_str(number),
        }
        rest = after;
    }
    result + rest
}
