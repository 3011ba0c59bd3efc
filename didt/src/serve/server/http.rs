//! What is accepted of HTTP/1.1 and HTTP/2, in numbers.

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

use crate::serve::config::Limits;

/// hyper takes no smaller limit than this, and panics at one.
const LEAST_HEADER_BYTES: usize = 8192;

/// Requests at a time on one HTTP/2 connection; RFC 9113 section 5.1.2 asks for 100 at least.
const MAX_STREAMS: u32 = 128;

/// Streams that a client reset and that still wait to be looked at, before its connection is
/// closed (CVE-2023-44487); h2's own number.
const MAX_PENDING_RESETS: usize = 20;

/// Streams that were reset for a client's mistakes, before its connection is closed; h2's own number.
const MAX_ERROR_RESETS: usize = 1024;

/// How much a client may send that nobody has read, of one request and of all on a connection:
/// about what RFC 9113 begins with (section 6.9.2). hyper's own number is a mebibyte, times all connections.
const WINDOW: u32 = 64 * 1024;

/// What of one answer waits in HTTP/2's own buffer for a client to read it; the pieces of
/// [`unread`](super::unread) come on top. hyper's own number is 400 KiB, times all streams.
const SEND_BUFFER: usize = 16 * 1024;

/// HTTP/1.1, and HTTP/2 where TLS agreed on it or a client begins with its preface. A head
/// that is too large, or has more than 100 fields, is answered with 431.
///
/// Timeouts are [`connection`](super::connection)'s.
pub(super) fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(limits.header_bytes.max(LEAST_HEADER_BYTES));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX));
    builder
}
