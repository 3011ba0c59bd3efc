//! One connection, from its handshake to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::activity::{Activity, Doing, Noted};
use super::bound::Transport;
use super::request::answer;
use super::stop::Stop;
use super::tls::Tls;
use crate::serve::config::Limits;
use crate::serve::peer::Peer;

/// For how long a connection may do nothing: longer than gateways keep theirs (nginx 60 s, Go's
/// client 90 s, Caddy 120 s), so that it is they who close it.
const IDLE: Duration = Duration::from_secs(180);

/// For a client to take note that its connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// What all connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) http: Builder<TokioExecutor>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) router: Router,
    pub(super) limits: Limits,
}

impl Connections {
    /// Serves a connection until it ends, or it is over.
    pub(super) async fn serve(&self, stream: Box<dyn Transport>, peer: Peer, mut stop: Stop) {
        let Some(tls) = &self.tls else {
            return self.serve_http(stream, peer, stop).await;
        };
        let handshake = TlsAcceptor::from(tls.current()).accept(stream);
        let handshake = tokio::select! {
            handshake = timeout(self.limits.header_timeout, handshake) => handshake,
            () = stop.finishing() => return,
        };
        match handshake {
            Ok(Ok(stream)) => self.serve_http(Box::new(stream), peer, stop).await,
            Ok(Err(error)) => debug!(%error, "no TLS"),
            Err(_) => debug!("no TLS in time"),
        }
    }

    async fn serve_http(&self, stream: Box<dyn Transport>, peer: Peer, mut stop: Stop) {
        let activity = Activity::new();
        let mut watch = activity.watch();
        let stream = TokioIo::new(Noted::new(stream, activity.clone()));
        let limit = self.limits.request_timeout;
        let service =
            service_fn(move |request| answer(&self.router, request, peer, limit, &activity));
        let mut connection = pin!(self.http.serve_connection(stream, service));
        let mut over = stop.clone();
        let mut ending = false;
        loop {
            let doing = watch.doing();
            let patience = match doing {
                Doing::ReadingHead => Some(self.limits.header_timeout),
                // Each request has a limit of its own.
                Doing::Answering => None,
                Doing::Nothing if ending => Some(FAREWELL),
                Doing::Nothing => Some(IDLE),
            };
            tokio::select! {
                // In this order: what has arrived in time is looked at, however late that is.
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        debug!(%error, "a connection broke");
                    }
                    return;
                }
                () = over.over() => return,
                () = stop.finishing(), if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = watch.changed() => {}
                () = sleep(patience.unwrap_or_default()), if patience.is_some() => {
                    if doing == Doing::ReadingHead || ending {
                        debug!(?doing, "a connection took too long");
                        return;
                    }
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
