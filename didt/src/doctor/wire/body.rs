//! The body of an answer, however its end is marked.

use httparse::Status::{Complete, Partial};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::Error;

const MAX_BODY: usize = 1024 * 1024;

const TOO_LONG: Error = Error::Malformed("has a body of more than 1 MiB");
const TOO_SHORT: Error = Error::Malformed("ends too early");
const NO_CHUNKS: Error = Error::Malformed("has invalid chunks");

/// How the end of a body is known.
pub(super) enum Framing {
    Chunked,
    Length(usize),
    /// The connection ends with it.
    ToEnd,
}

/// Reads a body. `read` is what came with the head.
pub(super) async fn read<S>(
    framing: Framing,
    stream: &mut S,
    read: Vec<u8>,
) -> Result<Vec<u8>, Error>
where
    S: AsyncRead + Unpin,
{
    match framing {
        Framing::Chunked => chunks(stream, read).await,
        Framing::Length(length) => exactly(length, stream, read).await,
        Framing::ToEnd => to_end(stream, read).await,
    }
}

/// Reads what there is; 0 at the end.
pub(super) async fn fill<S>(stream: &mut S, bytes: &mut Vec<u8>) -> Result<usize, Error>
where
    S: AsyncRead + Unpin,
{
    // A connection that breaks after an answer (TLS without a goodbye) has ended as well.
    Ok(stream.read_buf(bytes).await.unwrap_or(0))
}

async fn exactly<S>(length: usize, stream: &mut S, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error>
where
    S: AsyncRead + Unpin,
{
    if length > MAX_BODY {
        return Err(TOO_LONG);
    }
    while bytes.len() < length {
        if fill(stream, &mut bytes).await? == 0 {
            return Err(TOO_SHORT);
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

async fn to_end<S>(stream: &mut S, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error>
where
    S: AsyncRead + Unpin,
{
    while fill(stream, &mut bytes).await? > 0 {
        if bytes.len() > MAX_BODY {
            return Err(TOO_LONG);
        }
    }
    Ok(bytes)
}

/// RFC 9112 section 7.1. What follows the last chunk is not waited for.
async fn chunks<S>(stream: &mut S, mut bytes: Vec<u8>) -> Result<Vec<u8>, Error>
where
    S: AsyncRead + Unpin,
{
    let mut body = Vec::new();
    loop {
        match httparse::parse_chunk_size(&bytes).map_err(|_| NO_CHUNKS)? {
            Complete((_, 0)) => return Ok(body),
            Complete((start, size)) => {
                let size = usize::try_from(size).map_err(|_| TOO_LONG)?;
                if body.len().saturating_add(size) > MAX_BODY {
                    return Err(TOO_LONG);
                }
                let mut rest = bytes.split_off(start.min(bytes.len()));
                while rest.len() < size + 2 {
                    if fill(stream, &mut rest).await? == 0 {
                        return Err(TOO_SHORT);
                    }
                }
                bytes = rest.split_off(size);
                body.append(&mut rest);
                if !bytes.starts_with(b"\r\n") {
                    return Err(NO_CHUNKS);
                }
                bytes.drain(..2);
            }
            Partial if bytes.len() > MAX_BODY => return Err(NO_CHUNKS),
            Partial => {
                if fill(stream, &mut bytes).await? == 0 {
                    return Err(TOO_SHORT);
                }
            }
        }
    }
}
