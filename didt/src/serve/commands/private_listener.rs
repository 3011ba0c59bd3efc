//! Asks a running server's private listener.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::serve::config::{Listen, Secret};

/// The most that is read of an answer's body, in bytes: a page of sessions is some 300 KiB at most.
const MAX_BODY: usize = 8 * 1024 * 1024;

/// A status and a body.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Where a private listener is, and how long to wait for it.
pub(super) struct PrivateListener {
    pub(super) listen: Listen,
    pub(super) secret: Option<Secret>,
    pub(super) limit: Duration,
}

impl PrivateListener {
    /// Sends a request without a body.
    pub(super) async fn ask(&self, method: Method, target: &str) -> io::Result<Answer> {
        let mut request = Request::builder().method(method).uri(target).header(HOST, "didt");
        if let Some(secret) = &self.secret {
            request = request.header(AUTHORIZATION, format!("Bearer {}", secret.expose()));
        }
        let request = request.body(Empty::new()).map_err(io::Error::other)?;
        let asking = async {
            match &self.listen {
                Listen::Tcp(address) => {
                    exchange(TcpStream::connect(reachable(*address)).await?, request).await
                }
                Listen::Unix(socket) => exchange(unix(socket).await?, request).await,
            }
        };
        let late = || {
            let limit = self.limit.as_secs();
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit} s"))
        };
        timeout(self.limit, asking).await.unwrap_or_else(|_| Err(late()))
    }
}

async fn unix(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

/// A server that listens on all addresses is reached on this machine's own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(io::Error::other)?;
    Ok(Answer { status: head.status, body: body.to_bytes() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        for (listening, asked) in [
            ("0.0.0.0:9090", "127.0.0.1:9090"),
            ("[::]:9090", "[::1]:9090"),
            ("10.0.0.7:9090", "10.0.0.7:9090"),
        ] {
            let address = listening.parse().expect("an address");
            assert_eq!(reachable(address).to_string(), asked, "{listening}");
        }
    }
}
