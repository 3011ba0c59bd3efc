//! One connection, from its handshake to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use super::activity::{Activity, Doing, Noted};
use super::bound::Transport;
use super::crowd::{Crowd, Idle};
use super::request::answer;
use super::serving::Current;
use super::stop::Stop;
use crate::serve::peer::Peer;

/// For how long a connection may do nothing: longer than gateways keep theirs (nginx 60 s, Go's
/// client 90 s, Caddy 120 s), so that it is they who close it.
const IDLE: Duration = Duration::from_secs(180);

/// For a client to take note that its connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// The same where another connection waits for its place.
const HASTY_FAREWELL: Duration = Duration::from_millis(250);

/// What all connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Connections {
    pub(super) current: Current,
    pub(super) crowd: Arc<Crowd>,
}

impl Connections {
    /// Serves a connection until it ends, or it is over.
    pub(super) async fn serve(&self, stream: Box<dyn Transport>, peer: Peer, mut stop: Stop) {
        let (tls, header_timeout) = {
            let serving = self.current.get();
            (serving.tls.clone(), serving.limits.header_timeout)
        };
        let Some(tls) = tls else {
            return self.serve_http(stream, peer, stop).await;
        };
        let handshake = TlsAcceptor::from(tls.into_config()).accept(stream);
        let handshake = tokio::select! {
            handshake = timeout(header_timeout, handshake) => handshake,
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
        // Not the whole, with its routes: a connection may outlive many of them.
        let (http, limits) = {
            let serving = self.current.get();
            (Arc::clone(&serving.http), serving.limits.clone())
        };
        let service =
            service_fn(move |request| answer(&self.current.get(), request, peer, &activity));
        let mut connection = pin!(http.serve_connection(stream, service));
        let mut over = stop.clone();
        let mut ending = false;
        let mut farewell = FAREWELL;
        let (mut before, mut idle): (_, Option<Idle>) = (None, None);
        loop {
            let (doing, unread) = watch.look();
            if before.replace(doing) != Some(doing) {
                idle = (doing != Doing::Answering).then(|| self.crowd.enter());
            }
            let patience = match doing {
                Doing::ReadingHead => Some(limits.header_timeout),
                // Each request has a limit of its own.
                Doing::Answering => None,
                Doing::Nothing if ending => Some(farewell),
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
                () = told_to_go(idle.as_ref()) => {
                    if doing == Doing::ReadingHead {
                        return;
                    }
                    idle = None;
                    ending = true;
                    farewell = HASTY_FAREWELL;
                    connection.as_mut().graceful_shutdown();
                }
                () = read_until(unread.map(|since| since + limits.write_timeout)) => {
                    metrics::counter!("didt_unread_answers_total").increment(1);
                    debug!("a client did not read its answer in time");
                    return;
                }
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

async fn told_to_go(idle: Option<&Idle>) {
    match idle {
        Some(idle) => idle.told_to_go().await,
        None => std::future::pending().await,
    }
}

async fn read_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
