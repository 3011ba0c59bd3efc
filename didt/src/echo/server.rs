//! Connections, until the process is signalled to stop.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use super::answer::answer;
use super::recorder::Recorder;

/// For a head to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for requests in flight when it stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// After a failure to accept, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopped`.
pub(super) async fn serve(listener: TcpListener, stopped: impl Future<Output = ()>) {
    let counter = Arc::new(AtomicU64::new(0));
    let graceful = GracefulShutdown::new();
    let mut stopped = pin!(stopped);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let (stream, record) = Recorder::new(stream);
        let counter = Arc::clone(&counter);
        let service = service_fn(move |request| {
            let (record, counter) = (record.clone(), Arc::clone(&counter));
            async move { answer(request, record, &counter).await }
        });
        let mut server = auto::Builder::new(TokioExecutor::new()).http1_only();
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service);
            // A client that broke off is its own affair.
            let _ = watcher.watch(connection).await;
        });
    }
    drop(listener);
    let _ = timeout(SHUTDOWN_TIMEOUT, graceful.shutdown()).await;
}

/// Completes when the process is next signalled to stop.
#[cfg(unix)]
pub(super) fn stopped() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    })
}

/// Completes at Ctrl-C.
#[cfg(not(unix))]
pub(super) fn stopped() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
