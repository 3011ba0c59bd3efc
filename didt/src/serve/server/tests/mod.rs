//! A server on a free port, with routes of the test's own, and clients that speak to it.

mod limits;
mod protocols;
mod sockets;
mod stopping;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::{get, post};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tower_didt_test_support::directory::Directory;

use super::{Bound, Current, Server, Serving, Stopper, Tls};
use crate::serve::config::{Limits, Listen};
use crate::serve::peer::Peer;

/// A test that waits for longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What arrives in time, or the test fails.
async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, happens).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Handlers that wait until they are told to go on.
struct Held {
    /// One message for every request that has come in.
    arrived: mpsc::UnboundedReceiver<()>,
    /// One permit lets one request go on.
    go: Arc<Semaphore>,
}

/// `/peer` says who asked, `/held` answers once it may, `/` takes a POST and does not look at it.
fn routes() -> (Router, Held) {
    let (arrive, arrived) = mpsc::unbounded_channel();
    let go = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&go);
    let held = get(async move || {
        arrive.send(()).expect("the test listens");
        gate.acquire().await.expect("open").forget();
        "held"
    });
    let router = Router::new()
        .route("/peer", get(async |Extension(peer): Extension<Peer>| format!("{peer:?}")))
        .route("/held", held)
        .route("/panics", get(async || -> &'static str { panic!("as the test wants") }))
        .route("/", post(async || "unread"));
    (router, Held { arrived, go })
}

/// A server that runs beside the test.
struct Running {
    at: Listen,
    current: Current,
    stopper: Stopper,
    serving: JoinHandle<()>,
}

impl Running {
    async fn start(router: Router, limits: Limits, tls: Option<Tls>) -> Self {
        Self::at(&Listen::Tcp(([127, 0, 0, 1], 0).into()), router, limits, tls).await
    }

    async fn at(listen: &Listen, router: Router, limits: Limits, tls: Option<Tls>) -> Self {
        let bound = Bound::to(listen).await.expect("a place to listen on");
        let at = bound.at().clone();
        let stopper = Stopper::new();
        let current = Current::new(Serving::new(router, tls, limits));
        let server = Server { name: "test", bound, current: current.clone() };
        let serving = tokio::spawn(server.serve(stopper.stop()));
        Self { at, current, stopper, serving }
    }

    fn address(&self) -> SocketAddr {
        match self.at {
            Listen::Tcp(address) => address,
            Listen::Unix(_) => panic!("no address"),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).await.expect("a connection")
    }

    /// Waits until it has stopped.
    async fn ends(self) {
        soon("the server ends", self.serving).await.expect("no panic");
    }
}

/// Sends bytes as they are.
async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &str) {
    stream.write_all(bytes.as_bytes()).await.expect("a connection");
}

fn get_of(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

/// One answer with a `Content-Length`: head and body.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    soon("an answer", async {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse().expect("a number"));
                if body.len() >= length {
                    return text;
                }
            }
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.expect("a connection");
            assert_ne!(count, 0, "the connection ended after {text:?}");
            text.push_str(std::str::from_utf8(&bytes[..count]).expect("text"));
        }
    })
    .await
}

/// All that comes until the other side closes. A reset counts as closed.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = soon("the end of the connection", stream.read_to_end(&mut bytes)).await;
    String::from_utf8(bytes).expect("text")
}

/// A client of HTTP/2, over any stream.
async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> (hyper::client::conn::http2::SendRequest<String>, JoinHandle<()>) {
    let executor = hyper_util::rt::TokioExecutor::new();
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(executor, stream).await.expect("HTTP/2");
    let ended = tokio::spawn(async move {
        let _ = connection.await;
    });
    (sender, ended)
}

fn request(path: &str) -> http::Request<String> {
    let uri = format!("http://example.com{path}");
    http::Request::get(uri).body(String::new()).expect("a request")
}

async fn text(response: http::Response<hyper::body::Incoming>) -> String {
    let body = http_body_util::BodyExt::collect(response.into_body()).await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}
