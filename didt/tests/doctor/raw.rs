//! Requests as they come: nothing in lower case, nothing put in order, nothing left out.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request's head.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Raw {
    /// Reads one; the requests of these tests have no bodies.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let text = String::from_utf8(bytes).map_err(io::Error::other)?;
        let mut lines = text.trim_end().split("\r\n");
        let (request, version) =
            lines.next().unwrap_or_default().rsplit_once(' ').expect("a version");
        let (method, target) = request.split_once(' ').expect("a target");
        Ok(Self {
            method: method.to_owned(),
            target: target.to_owned(),
            version: version.to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        })
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn remove(&mut self, is_gone: impl Fn(&str) -> bool) {
        self.headers.retain(|(name, _)| !is_gone(&name.to_ascii_lowercase()));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(|other| other.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Without the query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { method, target, version, headers } = self;
        let mut text = format!("{method} {target} {version}\r\n");
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}
