//! A client that sends any bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take. Only a test that fails waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request's bytes and reads the answer until the connection is closed.
pub(crate) fn send(port: u16, raw: &[u8]) -> Reply {
    send_until(port, raw, |_| false)
}

/// The same for an answer after which the connection stays.
pub(crate) fn send_and_read_head(port: u16, raw: &[u8]) -> Reply {
    send_until(port, raw, |answer| answer.windows(4).any(|end| end == b"\r\n\r\n"))
}

/// Switches protocols, and tells what comes back of `sent` after that.
pub(crate) fn upgrade(port: u16, raw: &[u8], sent: &[u8]) -> Result<Vec<u8>, Reply> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(raw).expect("sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.extend(byte);
    }
    let reply = Reply::read(&head);
    if reply.status != 101 {
        return Err(reply);
    }
    stream.write_all(sent).expect("sent");
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).expect("it comes back");
    Ok(back)
}

fn send_until(port: u16, raw: &[u8], done: impl Fn(&[u8]) -> bool) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // A gateway may answer, and close, before it has read all of it.
    let _ = stream.write_all(raw);
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    while !done(&answer) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    Reply::read(&answer)
}

/// What a gateway answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    fn read(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        // Closed without an answer is no pass either.
        Self { status: status.unwrap_or(0), headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The session cookie that is set here: its value.
    pub(crate) fn session_cookie(&self) -> Option<String> {
        self.headers
            .iter()
            .filter(|(name, _)| name == "set-cookie")
            .find_map(|(_, value)| value.strip_prefix("__Host-didt=")?.split(';').next())
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    }

    /// What the upstream received; `None` if the request did not reach it.
    pub(crate) fn received(&self) -> Option<Received> {
        self.header("x-didt-echo")?;
        let start = self.body.find('{').expect("the upstream answers with JSON");
        // Whatever the framing is: the object ends at its last brace.
        let end = self.body.rfind('}').expect("the upstream answers with JSON");
        Some(Received(serde_json::from_str(&self.body[start..=end]).expect("JSON")))
    }
}

/// A request as it arrived at the upstream.
#[derive(Debug)]
pub(crate) struct Received(Value);

impl Received {
    /// The values of a header, whatever its case is.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        self.headers()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0["headers"].as_array().expect("headers");
        headers
            .iter()
            .map(|pair| (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value")))
    }

    pub(crate) fn target(&self) -> &str {
        self.0["target"].as_str().expect("a target")
    }

    pub(crate) fn body_bytes(&self) -> u64 {
        self.0["body_bytes"].as_u64().expect("a number")
    }
}
