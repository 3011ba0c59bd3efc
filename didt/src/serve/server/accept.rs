//! Takes connections, as many as there is room for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tracing::error;

use super::Server;
use super::connection::Connections;
use super::crowd::Crowd;
use super::stop::Stop;

/// How long to wait where the system has no room for a connection: it has none the next
/// moment either.
const PAUSE: Duration = Duration::from_millis(500);

/// How often one that waits for a place looks for somebody who does nothing, where all were busy.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How many give way at a time, of a hundred: HTTP/2 clients take their time to leave.
const PERCENT_THAT_GIVES_WAY: usize = 1;

/// Takes connections until it is to stop, and stops listening then.
pub(super) async fn accept(server: Server, room: &Arc<Semaphore>, mut stop: Stop) {
    let Server { name, bound, current } = server;
    let crowd = Arc::new(Crowd::default());
    let give_way = (current.get().limits.connections / 100 * PERCENT_THAT_GIVES_WAY).max(1);
    let connections = Arc::new(Connections { current, crowd: Arc::clone(&crowd) });
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.finishing() => return,
            accepted = bound.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // It has no place yet. Further ones wait in the system's queue.
                let place = tokio::select! {
                    biased;
                    () = stop.finishing() => return,
                    place = place(room, &crowd, give_way) => place,
                };
                let Some(place) = place else { return };
                let open = Open::new(name, place);
                let (connections, stop) = (Arc::clone(&connections), stop.clone());
                tokio::spawn(async move {
                    connections.serve(stream, peer, stop).await;
                    drop(open);
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                error!(%error, listener = name, "cannot take a connection");
                tokio::select! {
                    () = stop.finishing() => return,
                    () = sleep(PAUSE) => {}
                }
            }
        }
    }
}

/// A place, for which the connections that have been idle longest give way. `None` if there is no
/// room.
async fn place(
    room: &Arc<Semaphore>,
    crowd: &Crowd,
    give_way: usize,
) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(place) = Arc::clone(room).try_acquire_owned() {
            return Some(place);
        }
        crowd.make_way(give_way);
        let place = Arc::clone(room).acquire_owned();
        if let Ok(place) = timeout(LOOK_AGAIN, place).await {
            return place.ok();
        }
    }
}

/// A client that was gone before its turn came.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::NotConnected
    )
}

/// A connection's place, counted.
struct Open {
    gauge: metrics::Gauge,
    _place: OwnedSemaphorePermit,
}

impl Open {
    fn new(listener: &'static str, place: OwnedSemaphorePermit) -> Self {
        let gauge = metrics::gauge!("didt_connections", "listener" => listener);
        gauge.increment(1.0);
        Self { gauge, _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}
