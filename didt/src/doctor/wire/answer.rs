//! An answer, read from a connection.

use tokio::io::AsyncRead;

use super::Error;
use super::body::{self, Framing};

/// The most that is read of a head, interim answers included.
const MAX_HEAD: usize = 64 * 1024;

const MAX_HEADERS: usize = 128;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads the final answer; interim ones (100, 103) are passed over.
    pub(super) async fn read<S>(stream: &mut S, to_head: bool) -> Result<Self, Error>
    where
        S: AsyncRead + Unpin,
    {
        let mut bytes = Vec::new();
        loop {
            if let Some((mut answer, length)) = Self::parse(&bytes)? {
                bytes.drain(..length);
                if (100..200).contains(&answer.status) && answer.status != 101 {
                    continue;
                }
                if !to_head && !matches!(answer.status, 101 | 204 | 304) {
                    answer.body = body::read(answer.framing()?, stream, bytes).await?;
                }
                return Ok(answer);
            }
            if bytes.len() >= MAX_HEAD {
                return Err(Error::Malformed("has a head of more than 64 KiB"));
            }
            if body::fill(stream, &mut bytes).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }

    /// The head, and its length; `None` if there is more to come.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(|_| Error::Malformed("is not HTTP/1"))?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let headers = response.headers.iter();
        let answer = Self {
            status: response.code.unwrap_or_default(),
            headers: headers
                .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
                .collect(),
            body: Vec::new(),
        };
        Ok(Some((answer, length)))
    }

    /// How the head says that the body ends.
    fn framing(&self) -> Result<Framing, Error> {
        let chunked = |coding: &str| coding.to_ascii_lowercase().ends_with("chunked");
        if self.all("transfer-encoding").last().is_some_and(chunked) {
            return Ok(Framing::Chunked);
        }
        let Some(length) = self.header("content-length") else { return Ok(Framing::ToEnd) };
        let length = length.parse().map_err(|_| Error::Malformed("has an invalid length"))?;
        Ok(Framing::Length(length))
    }

    /// The values of a header, in their order.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self.headers.iter().filter(move |(header, _)| header == name);
        named.map(|(_, value)| std::str::from_utf8(value).unwrap_or("(no text)").trim())
    }

    /// The names of the headers, in lower case.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// 2xx or an upgrade: the request succeeded.
    pub(crate) fn is_given(&self) -> bool {
        self.status == 101 || (200..300).contains(&self.status)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn read(bytes: &[u8], to_head: bool) -> Result<(u16, String), String> {
        let mut stream = bytes;
        let answer = Answer::read(&mut stream, to_head).await.map_err(|error| error.to_string())?;
        Ok((answer.status, String::from_utf8(answer.body).expect("text")))
    }

    #[tokio::test]
    async fn bodies_end_where_the_head_says() {
        let rows: [(&str, bool, u16, &str); 8] = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", false, 200, "ab"),
            ("HTTP/1.1 200 OK\r\n\r\nabc", false, 200, "abc"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true, 200, ""),
            ("HTTP/1.1 204 No\r\nContent-Length: 9\r\n\r\n", false, 204, ""),
            ("HTTP/1.1 101 Up\r\nUpgrade: x\r\n\r\nmore", false, 101, ""),
            ("HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 401 No\r\n\r\n", false, 401, ""),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1;x=y\r\nd\r\n0\r\n\r\n",
                false,
                200,
                "abcd",
            ),
            ("HTTP/1.0 302 Found\r\nContent-Length: 0\r\n\r\n", false, 302, ""),
        ];
        for (bytes, to_head, status, body) in rows {
            let answer = read(bytes.as_bytes(), to_head).await;
            assert_eq!(answer, Ok((status, body.to_owned())), "{bytes}");
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let cut = "the connection was closed without an answer";
        let rows = [
            ("", cut),
            ("HTTP/1.1 200 OK\r\nContent-", cut),
            ("HTTP/1.1 100 Continue\r\n\r\n", cut),
            ("SSH-2.0-OpenSSH\r\n", "the answer is not HTTP/1"),
            ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "the answer has an invalid length"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                "the answer has invalid chunks",
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na", "the answer ends too early"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\na",
                "the answer ends too early",
            ),
        ];
        for (bytes, expected) in rows {
            assert_eq!(read(bytes.as_bytes(), false).await, Err(expected.to_owned()), "{bytes}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_ends_at_the_limits() {
        let mut endless = "HTTP/1.1 200 OK\r\n\r\n".as_bytes().chain(tokio::io::repeat(b'a'));
        let error = Answer::read(&mut endless, false).await.expect_err("too long");
        assert_eq!(error.to_string(), "the answer has a body of more than 1 MiB");
        let mut endless = "HTTP/1.1 200 OK\r\na: ".as_bytes().chain(tokio::io::repeat(b'a'));
        let error = Answer::read(&mut endless, false).await.expect_err("too long");
        assert_eq!(error.to_string(), "the answer has a head of more than 64 KiB");
    }
}
