//! A raw HTTP/1.1 client: any bytes go out, and what comes back is read as it is.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long an answer may take. Only a test that fails waits that long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    /// Zero if the connection was closed without an answer.
    pub status: u16,
    /// The head as it came, without the blank line at its end.
    pub head: String,
    /// All that came after the head, framing included.
    pub body: String,
}

impl Reply {
    /// Reads an answer that is complete. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.get(..3)?.parse().ok());
        Self { status: status.unwrap_or(0), head: head.to_owned(), body: body.to_owned() }
    }

    /// The headers in their order, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (String, &str)> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
    }

    /// The values of a header. `name` is in lower case.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers().filter(|(known, _)| known == name).map(|(_, value)| value).collect()
    }

    /// The first value of a header. `name` is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The value of the session cookie that is set here; `None` if none is set, or it is cleared.
    #[must_use]
    pub fn session_cookie(&self) -> Option<String> {
        let mut cookies = self.all("set-cookie").into_iter();
        cookies
            .find_map(|cookie| cookie.strip_prefix("__Host-didt=")?.split(';').next())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }
}

/// A connection whose reads and writes do not wait for ever.
#[must_use]
pub fn connect(address: impl ToSocketAddrs) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Sends a request's bytes, and reads until the connection is closed.
#[must_use]
pub fn exchange(address: impl ToSocketAddrs, raw: &[u8]) -> Reply {
    exchange_until(address, raw, |_| false)
}

/// Sends a request's bytes, and reads until `done` says that the answer is complete, or the
/// connection is closed.
#[must_use]
pub fn exchange_until(
    address: impl ToSocketAddrs,
    raw: &[u8],
    done: impl Fn(&[u8]) -> bool,
) -> Reply {
    let mut stream = connect(address);
    // A server may answer, and close, before it has read all of it.
    let _ = stream.write_all(raw);
    read_until(&mut stream, done)
}

/// Reads an answer up to the end of the connection.
#[must_use]
pub fn read_to_end(stream: &mut impl Read) -> Reply {
    read_until(stream, |_| false)
}

/// Reads an answer's head, byte by byte, so that nothing after it is taken; `None` if the connection
/// is closed before its end.
pub fn read_head(stream: &mut impl Read) -> Option<Reply> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.extend(byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
    Some(Reply::parse(&head))
}

/// Reads one answer, whose `Content-Length` says how long it is, of a connection that may go on.
pub fn read_one(stream: &mut impl Read) -> Option<Reply> {
    let mut reply = read_head(stream)?;
    let length = reply.header("content-length").map_or(0, |value| value.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    reply.body = String::from_utf8(body).expect("text");
    Some(reply)
}

fn read_until(stream: &mut impl Read, done: impl Fn(&[u8]) -> bool) -> Reply {
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !done(&answer) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            // A read with a time limit is not begun again by the system where a signal came.
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    Reply::parse(&answer)
}
