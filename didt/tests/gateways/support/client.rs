//! A client that sends any bytes.

use std::io::{Read, Write};

use serde_json::Value;
use tower_didt_test_support::http::{self, Reply};

/// Sends a request's bytes and reads the answer until the connection is closed.
pub(crate) fn send(port: u16, raw: &[u8]) -> Reply {
    http::exchange(("127.0.0.1", port), raw)
}

/// Sends a request's bytes and reads the head of the answer, after which the connection stays.
pub(crate) fn send_and_read_head(port: u16, raw: &[u8]) -> Reply {
    let is_head = |answer: &[u8]| answer.windows(4).any(|end| end == b"\r\n\r\n");
    http::exchange_until(("127.0.0.1", port), raw, is_head)
}

/// Switches protocols, and returns what comes back of `sent` after that.
pub(crate) fn upgrade(port: u16, raw: &[u8], sent: &[u8]) -> Result<Vec<u8>, Reply> {
    let mut stream = http::connect(("127.0.0.1", port));
    stream.write_all(raw).expect("sent");
    let reply = http::read_head(&mut stream).expect("an answer");
    if reply.status != 101 {
        return Err(reply);
    }
    stream.write_all(sent).expect("sent");
    let mut back = vec![0; sent.len()];
    stream.read_exact(&mut back).expect("it comes back");
    Ok(back)
}

/// An answer that `didt echo` may have given.
pub(crate) trait Echoed {
    /// What the upstream received; `None` if the request did not reach it.
    fn received(&self) -> Option<Received>;
}

impl Echoed for Reply {
    fn received(&self) -> Option<Received> {
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
