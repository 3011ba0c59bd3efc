//! Keeps a copy of a request's head.
//!
//! An HTTP library hands out what a request means: names in lower case, equal names together, the
//! target without its fragment. What gateways get wrong is lost in it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than hyper reads of a head.
const MAX_HEAD: usize = 512 * 1024;

/// hyper answers more than 100 with 431.
const MAX_HEADERS: usize = 256;

/// A connection that records what is read, until the record is taken.
pub(super) struct Recorder<S> {
    stream: S,
    record: Record,
}

/// What has been read of a connection.
#[derive(Clone)]
pub(super) struct Record(Arc<Mutex<Option<Vec<u8>>>>);

/// A request's head, as it was received.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: &'static str,
    pub(super) headers: Vec<(String, String)>,
}

impl<S> Recorder<S> {
    pub(super) fn new(stream: S) -> (Self, Record) {
        let record = Record(Arc::new(Mutex::new(Some(Vec::new()))));
        (Self { stream, record: record.clone() }, record)
    }
}

impl Record {
    /// The head that was read. Ends the recording: bodies may be long.
    pub(super) fn take(&self) -> Option<Head> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Head::parse(&bytes)
    }

    fn extend(&self, read: &[u8]) {
        let mut record = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bytes) = record.as_mut()
            && bytes.len() < MAX_HEAD
        {
            bytes.extend_from_slice(read);
        }
    }
}

impl Head {
    /// The parser is hyper's own: both agree on where what ends.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let target = target_of(bytes)?;
        let mut headers = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        if !request.parse(bytes).ok()?.is_complete() {
            return None;
        }
        let headers = request.headers.iter();
        Some(Self {
            method: request.method?.to_owned(),
            target: latin_1(target),
            version: if request.version? == 0 { "HTTP/1.0" } else { "HTTP/1.1" },
            headers: headers
                .map(|header| (header.name.to_owned(), latin_1(header.value)))
                .collect(),
        })
    }
}

/// The text between the first two spaces.
fn target_of(bytes: &[u8]) -> Option<&[u8]> {
    bytes.split(|byte| *byte == b' ').nth(1)
}

/// Loses nothing, unlike reading it as UTF-8.
fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

impl<S: AsyncRead + Unpin> AsyncRead for Recorder<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.record.extend(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Recorder<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_order_case_duplicates_and_fragments() {
        let bytes = b"GET /a/../b?c#d HTTP/1.0\r\nX_A: 1\r\nhOST: x\r\nX_A: \xff\r\n\r\nbody";
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let head = Head::parse(bytes).expect("a head");
        assert_eq!(head.target, "/a/../b?c#d");
        assert_eq!((head.method.as_str(), head.version), ("GET", "HTTP/1.0"));
        let headers = [header("X_A", "1"), header("hOST", "x"), header("X_A", "ÿ")];
        assert_eq!(head.headers, headers);
    }

    #[test]
    fn half_a_head_is_none() {
        for bytes in [&b""[..], b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\0\0\0"] {
            assert_eq!(Head::parse(bytes), None, "{bytes:?}");
        }
    }
}
