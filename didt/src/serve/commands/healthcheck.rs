//! `didt healthcheck`: whether a running server can be used, for those who may run a program and
//! have no HTTP client: a container's health check, an orchestrator's exec probe, a script.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::HOST;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::arguments::ConfigArgs;
use crate::output::{invalid, say};
use crate::serve::config::Listen;

/// The most that is read of an answer's body, in bytes. The server's own are of one line.
const MAX_BODY: usize = 1024;

/// Ask a running `didt serve` whether it can be used
///
/// Asks the private listener that the settings name (`listen.private`) for /readyz: whether the
/// store answers and the server is not about to stop. Reads no other setting and no secret.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    config: ConfigArgs,

    /// Ask only whether the process answers (/healthz): for a probe that restarts what fails, since
    /// a restart does not repair a store
    #[arg(long)]
    live: bool,

    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

const HELP: &str = "\
Examples:
  didt healthcheck --config /etc/didt/didt.toml
  didt healthcheck --set listen.private=127.0.0.1:9090 --live

Exit codes:
  0  ready (with --live: alive)
  1  not, or nobody answers; standard error says which
  2  the settings name no private listener, or the command line is wrong";

impl Healthcheck {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let listen = match self.config.private_listener() {
            Ok(Some(listen)) => listen,
            Ok(None) => {
                return Ok(invalid(
                    "listen.private is missing, and health checks use the private listener",
                ));
            }
            Err(error) => return Ok(invalid(error)),
        };
        let path = if self.live { "/healthz" } else { "/readyz" };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let asked = async { timeout(Duration::from_secs(self.timeout), ask(&listen, path)).await };
        let problem = match runtime.block_on(asked) {
            Ok(Ok((StatusCode::OK, _))) => return Ok(ExitCode::SUCCESS),
            Ok(Ok((status, said))) => format!("{path} answers {}: {said}", status.as_u16()),
            Ok(Err(error)) => format!("{path} cannot be asked: {error}"),
            Err(_) => format!("{path} did not answer within {} s", self.timeout),
        };
        say(problem);
        Ok(ExitCode::FAILURE)
    }
}

/// The answer's status, and its first line.
async fn ask(listen: &Listen, path: &str) -> io::Result<(StatusCode, String)> {
    match listen {
        Listen::Tcp(address) => {
            exchange(TcpStream::connect(reachable(*address)).await?, path).await
        }
        Listen::Unix(socket) => exchange(unix(socket).await?, path).await,
    }
}

async fn unix(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket).await
}

/// Who listens on all addresses is reached on this machine's own.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn exchange<S>(stream: S, path: &str) -> io::Result<(StatusCode, String)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, "didt").body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.map_err(io::Error::other)?).await;
    let (head, body) = answer.map_err(io::Error::other)?.into_parts();
    // The status is the verdict; a body that is too long or breaks off changes nothing about it.
    let body =
        Limited::new(body, MAX_BODY).collect().await.map(http_body_util::Collected::to_bytes);
    let said = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
    let line = said.lines().next().unwrap_or_default();
    Ok((head.status, line.replace(char::is_control, " ")))
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
