//! What a connection is at, and so how long that may last.
//!
//! hyper's own timeout for heads also closes connections that are idle between two
//! requests. Gateways keep those for a minute and more, and lose a request when they are
//! closed under their hands. So heads and idleness are told apart here.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// The first head is awaited, or a part of one has arrived.
    ReadingHead,
    /// A request is being answered.
    Answering,
    /// Nothing. Of HTTP/2, whose clients send frames between requests too, a head that
    /// arrives slowly counts as this.
    Nothing,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    head: bool,
    http2: bool,
}

impl State {
    const fn doing(&self) -> Doing {
        match (self.in_flight, self.head) {
            (1.., _) => Doing::Answering,
            (0, true) => Doing::ReadingHead,
            (0, false) => Doing::Nothing,
        }
    }
}

/// Writes down what a connection is at.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<watch::Sender<State>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State { in_flight: 0, head: true, http2: false })))
    }

    pub(super) fn watch(&self) -> Watch {
        Watch(self.0.subscribe())
    }

    /// A request has arrived. It is being answered until the guard is dropped.
    pub(super) fn begin(&self, version: Version) -> InFlight {
        self.change(|state| {
            state.in_flight = state.in_flight.saturating_add(1);
            state.head = false;
            state.http2 = version == Version::HTTP_2;
        });
        InFlight(self.clone())
    }

    fn bytes_arrived(&self) {
        self.change(|state| {
            if state.in_flight == 0 && !state.http2 {
                state.head = true;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            let before = state.doing();
            change(state);
            state.doing() != before
        });
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// Hears what a connection is at.
#[derive(Debug)]
pub(super) struct Watch(watch::Receiver<State>);

impl Watch {
    pub(super) fn doing(&mut self) -> Doing {
        self.0.borrow_and_update().doing()
    }

    /// Waits until it is something else than [`doing`](Self::doing) last said.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change anything.
            std::future::pending::<()>().await;
        }
    }
}

/// Bytes on their way, and a note that some have arrived.
#[derive(Debug)]
pub(super) struct Noted<S> {
    stream: S,
    activity: Activity,
}

impl<S> Noted<S> {
    pub(super) const fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_arrived();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_reads_a_head_answers_and_is_idle() {
        let activity = Activity::new();
        let mut watch = activity.watch();
        assert_eq!(watch.doing(), Doing::ReadingHead, "the first head is awaited");
        let one = activity.begin(Version::HTTP_11);
        assert_eq!(watch.doing(), Doing::Answering);
        activity.bytes_arrived();
        drop(one);
        assert_eq!(watch.doing(), Doing::Nothing, "what came meanwhile was no next head");
        activity.bytes_arrived();
        assert_eq!(watch.doing(), Doing::ReadingHead);
    }

    #[test]
    fn frames_between_requests_are_no_head() {
        let activity = Activity::new();
        let mut watch = activity.watch();
        let (one, two) = (activity.begin(Version::HTTP_2), activity.begin(Version::HTTP_2));
        drop(one);
        assert_eq!(watch.doing(), Doing::Answering);
        drop(two);
        activity.bytes_arrived();
        assert_eq!(watch.doing(), Doing::Nothing);
    }
}
