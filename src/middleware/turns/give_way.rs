//! How one that is awake lets other requests of its thread go first.
//!
//! In any runtime a task that wakes itself is polled again behind everything that is ready. But Tokio looks
//! for new requests only after 61 polls of tasks, or when none is ready; so many polls in between bring
//! the next look sooner. With the feature `tokio`, one that gives way is put off until after that
//! look (`tokio::task::yield_now`), so that two times are enough.

use std::task::Context;

/// The first look may have been on its way. With 1, a session waits half as long again, because all that are
/// awake check in one go.
#[cfg(feature = "tokio")]
const TIMES_IN_TOKIO: u32 = 2;

/// Some six checks between two of Tokio's looks. Fewer make sessions wait for longer, more take time from
/// sign-ins: each is a poll of the connection, almost 1 µs.
const TIMES_ELSEWHERE: u32 = 9;

/// How often one gives way before it checks.
pub(super) fn times() -> u32 {
    #[cfg(feature = "tokio")]
    if tokio::runtime::Handle::try_current().is_ok() {
        return TIMES_IN_TOKIO;
    }
    TIMES_ELSEWHERE
}

/// To be followed by `Poll::Pending`.
#[cfg(feature = "tokio")]
pub(super) fn once(cx: &mut Context<'_>) {
    // Outside of Tokio it wakes at once.
    let _ = std::pin::pin!(tokio::task::yield_now()).poll(cx);
}

/// To be followed by `Poll::Pending`.
#[cfg(not(feature = "tokio"))]
pub(super) fn once(cx: &Context<'_>) {
    cx.waker().wake_by_ref();
}
