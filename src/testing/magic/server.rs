//! The stub behind a port of this machine, for other processes; with endpoints of its own (`control`).

use std::net::SocketAddr;
use std::{fmt, io};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::Magic;

/// How many connections the server has open at a time; more wait.
const MAX_CONNECTIONS: usize = 256;

/// A server that answers as the stub does, until it is dropped.
pub struct MagicServer {
    address: SocketAddr,
    task: AbortHandle,
}

impl Magic {
    /// Answers HTTP/1.1 on a free port of the loopback interface: Magic's calls, and for tests in
    /// other languages its own below `/stub`, which add users and order faults
    /// (`docs/who-is-signed-in.md` lists them). They ask for no key: keep the port to tests.
    ///
    /// # Errors
    ///
    /// If no port can be listened on.
    pub async fn serve(&self) -> io::Result<MagicServer> {
        self.serve_on(TcpListener::bind(("127.0.0.1", 0)).await?)
    }

    /// Answers HTTP/1.1 on this listener. Call it within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn serve_on(&self, listener: TcpListener) -> io::Result<MagicServer> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(self.clone(), listener)).abort_handle();
        Ok(MagicServer { address, task })
    }
}

async fn accept(stub: Magic, listener: TcpListener) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() == MAX_CONNECTIONS {
            connections.join_next().await;
        }
        let Ok((stream, _)) = listener.accept().await else { return };
        let stub = stub.clone();
        let service = service_fn(move |request| stub.clone().answer_other_processes(request));
        // A fault that was ordered ends its connection; that is no news to anybody.
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

impl MagicServer {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL for [`AdminApi::with_url`](crate::magic::AdminApi::with_url).
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for MagicServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for MagicServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MagicServer").field("address", &self.address).finish_non_exhaustive()
    }
}
