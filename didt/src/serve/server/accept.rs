//! Takes connections, as many as there is room for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tracing::error;

use super::connection::Connections;
use super::stop::Stop;
use super::{Server, http};

/// How long to wait where the system has no room for a connection: it has none the next
/// moment either.
const PAUSE: Duration = Duration::from_millis(500);

/// Takes connections until it is to stop, and stops listening then.
pub(super) async fn accept(server: Server, room: &Arc<Semaphore>, mut stop: Stop) {
    let Server { name, bound, tls, router, limits } = server;
    let connections = Arc::new(Connections { http: http::builder(&limits), tls, router, limits });
    loop {
        // First a place, then a connection: the others wait in the system's queue.
        let place = tokio::select! {
            biased;
            () = stop.finishing() => return,
            place = Arc::clone(room).acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            biased;
            () = stop.finishing() => return,
            accepted = bound.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
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
