//! Listens, speaks TLS and HTTP, and stops without dropping what is in flight.
//!
//! ```text
//! stop ───────┬─────────┬───────────┐
//! bound ─► accept ─► connection ─► request ─► the router's answer, in time
//!             │         ├ tls            what certificates there are now
//!             │         └ activity       busy, reading a head, idle: how long each may last
//!             │         └ unread         answers that their clients do not read
//!             └ room for so many connections, and crowd: who gives way
//! ```
//!
//! What a client may take: [`Limits`](super::config::Limits), and the constants beside their use.

mod accept;
mod activity;
mod bound;
mod connection;
mod crowd;
mod http;
mod request;
mod serving;
mod stop;
mod tls;
mod unread;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::Semaphore;

pub(crate) use self::bound::{BindError, Bound};
pub(crate) use self::serving::{Current, Serving};
pub(crate) use self::stop::{Stop, Stopper};
pub(crate) use self::tls::{Tls, TlsError};

/// A listener and what it serves.
#[derive(Debug)]
pub(crate) struct Server {
    /// What metrics call it.
    pub(crate) name: &'static str,
    pub(crate) bound: Bound,
    pub(crate) current: Current,
}

impl Server {
    /// Serves until it is stopped, and then until the last connection is gone.
    ///
    /// Told to finish, it takes no connection any more, and ends each once it has answered. Told
    /// that it is over, it drops what there is.
    pub(crate) async fn serve(self, stop: Stop) {
        let connections = connections_within(self.current.get().limits.connections);
        let room = Arc::new(Semaphore::new(connections as usize));
        accept::accept(self, &room, stop).await;
        // Every connection holds a place. The room is never closed, so there is no error.
        let _all = room.acquire_many(connections).await;
    }
}

/// At least one; and at most `u32::MAX`, which is what `acquire_many` takes.
fn connections_within(limit: usize) -> u32 {
    u32::try_from(limit.clamp(1, Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX)
}
