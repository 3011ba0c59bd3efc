//! TLS under axum: connections that have shaken hands.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// For clients that connect and then say nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many connections may wait for axum to take them.
const BACKLOG: usize = 64;

type Connection = (TlsStream<TcpStream>, SocketAddr);

/// Hands connections to axum after their handshake.
///
/// Handshakes run in tasks of their own: a slow client keeps nobody waiting.
pub(crate) struct TlsListener {
    connections: mpsc::Receiver<Connection>,
    address: SocketAddr,
}

impl TlsListener {
    pub(crate) fn new(listeners: Vec<TcpListener>, acceptor: &TlsAcceptor) -> io::Result<Self> {
        let address = listeners.first().ok_or(ErrorKind::InvalidInput)?.local_addr()?;
        let (sender, connections) = mpsc::channel(BACKLOG);
        for listener in listeners {
            tokio::spawn(accept_all(listener, acceptor.clone(), sender.clone()));
        }
        Ok(Self { connections, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

async fn accept_all(
    mut listener: TcpListener,
    acceptor: TlsAcceptor,
    sender: mpsc::Sender<Connection>,
) {
    loop {
        // Axum's own, which waits when the machine has no sockets left.
        let (stream, peer) = Listener::accept(&mut listener).await;
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        tokio::spawn(async move {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                // Fails only when the server has stopped.
                let _ = sender.send((stream, peer)).await;
            }
        });
    }
}

/// Listens wherever `localhost` may lead: on 127.0.0.1 and, if the machine has it, on ::1.
pub(crate) async fn bind_localhost(port: u16) -> io::Result<(u16, Vec<TcpListener>)> {
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = v4.local_addr()?.port();
    let mut listeners = vec![v4];
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Ok(v6) => listeners.push(v6),
        // Another program's: half of the callers would end up there.
        Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
        Err(_) => {}
    }
    Ok((port, listeners))
}
