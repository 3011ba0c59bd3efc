//! What a connection is at, and so how long that may last.
//!
//! hyper's own timeout for heads also closes connections that are idle between two
//! requests. Gateways keep those for a minute and more, and lose a request when they are
//! closed under their hands. So heads and idleness are distinguished here.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

/// How many bytes of answers may wait for a client that does not read, on one connection. An answer
/// with nothing before it may be longer.
pub(super) const MAX_UNREAD_BYTES: usize = 1024 * 1024;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    /// The first head is awaited, or a part of one has arrived.
    ReadingHead,
    /// A request is being answered, or its answer is on its way.
    Answering,
    /// Nothing. Of HTTP/2, whose clients send frames between requests too, a head that
    /// arrives slowly counts as this.
    Nothing,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    head: bool,
    http2: bool,
    /// The answers that are made and not all handed over: since when, and their bytes. No more than
    /// there may be requests at a time.
    sending: BTreeMap<u64, (Instant, usize)>,
    next: u64,
    unread_bytes: usize,
    /// Since when the transport takes no bytes.
    stuck: Option<Instant>,
}

impl State {
    fn doing(&self) -> Doing {
        let busy = self.in_flight > 0 || !self.sending.is_empty() || self.stuck.is_some();
        match (busy, self.head) {
            (true, _) => Doing::Answering,
            (false, true) => Doing::ReadingHead,
            (false, false) => Doing::Nothing,
        }
    }

    /// Since when the client has left an answer unread.
    fn unread_since(&self) -> Option<Instant> {
        let oldest = self.sending.first_key_value().map(|(_, (since, _))| *since);
        oldest.into_iter().chain(self.stuck).min()
    }

    const fn has_room_for(&self, bytes: usize) -> bool {
        self.unread_bytes == 0 || self.unread_bytes.saturating_add(bytes) <= MAX_UNREAD_BYTES
    }

    /// All that anybody waits for.
    fn told(&self) -> (Doing, Option<Instant>, bool) {
        (self.doing(), self.unread_since(), self.has_room_for(1))
    }
}

/// Writes down what a connection is at.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<watch::Sender<State>>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State { head: true, ..State::default() })))
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

    /// Waits until the client has read enough of the answers before.
    pub(super) async fn room(&self) {
        // Nearly always there is room, and a subscription for each request has its price.
        if self.has_room_for(1) {
            return;
        }
        // An error would be that nobody is left who could make room; the sender is ours.
        let _ = self.0.subscribe().wait_for(|state| state.has_room_for(1)).await;
    }

    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.0.borrow().has_room_for(bytes)
    }

    fn stuck(&self, stuck: bool) {
        self.change(|state| state.stuck = stuck.then(Instant::now));
    }

    fn bytes_arrived(&self) {
        self.change(|state| {
            if state.doing() != Doing::Answering && !state.http2 {
                state.head = true;
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        self.0.send_if_modified(|state| {
            let before = state.told();
            change(state);
            state.told() != before
        });
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct InFlight(Activity);

impl InFlight {
    /// The answer is made, and this long. It is being sent until the guard is dropped.
    pub(super) fn sending(self, bytes: usize) -> Sending {
        let activity = self.0.clone();
        let mut number = 0;
        activity.change(|state| {
            number = state.next;
            state.next = state.next.wrapping_add(1);
            state.unread_bytes = state.unread_bytes.saturating_add(bytes);
            state.sending.insert(number, (Instant::now(), bytes));
        });
        Sending { activity, number }
    }
}

/// An answer that is being sent.
#[derive(Debug)]
pub(super) struct Sending {
    activity: Activity,
    number: u64,
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.activity.change(|state| {
            if let Some((_, bytes)) = state.sending.remove(&self.number) {
                state.unread_bytes = state.unread_bytes.saturating_sub(bytes);
            }
        });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(|state| state.in_flight = state.in_flight.saturating_sub(1));
    }
}

/// Hears what a connection is at.
#[derive(Debug)]
pub(super) struct Watch(watch::Receiver<State>);

impl Watch {
    /// What it is at, and since when an answer is unread.
    pub(super) fn look(&mut self) -> (Doing, Option<Instant>) {
        let state = self.0.borrow_and_update();
        (state.doing(), state.unread_since())
    }

    #[cfg(test)]
    pub(super) fn doing(&mut self) -> Doing {
        self.look().0
    }

    #[cfg(test)]
    pub(super) fn nothing_waits(&mut self) -> bool {
        self.look().1.is_none()
    }

    /// Waits until it is something else than [`look`](Self::look) last said.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change anything.
            std::future::pending::<()>().await;
        }
    }
}

/// Bytes on their way, and a note that some have arrived, or that none can leave.
#[derive(Debug)]
pub(super) struct Noted<S> {
    stream: S,
    activity: Activity,
    stuck: bool,
}

impl<S> Noted<S> {
    pub(super) const fn new(stream: S, activity: Activity) -> Self {
        Self { stream, activity, stuck: false }
    }
}

impl<S> Noted<S> {
    /// Nothing leaves any more, until all that there is has left.
    fn note<T>(&mut self, written: &Poll<io::Result<T>>, all: bool) {
        let stuck = written.is_pending() || (self.stuck && !all);
        if stuck != self.stuck {
            self.stuck = stuck;
            self.activity.stuck(stuck);
        }
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
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(&written, false);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(&flushed, true);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.note(&written, false);
        written
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
