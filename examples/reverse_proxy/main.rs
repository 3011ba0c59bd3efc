//! A gateway of your own: a reverse proxy with the layer in front of what it forwards.
//!
//! ```text
//! cargo run --example reverse_proxy -- [--listen ADDRESS] [--timeout SECONDS] UPSTREAM
//! ```
//!
//! ```text
//! request ─ screen ─┬─ /auth/…    ─ layer ─ sign in, sign out, who am I
//!                   ├─ /public/…  ────────── headers ─ upstream
//!                   └─ all else   ─ layer ── headers ─ upstream
//! ```
//!
//! `UPSTREAM` is host and port of a service over HTTP/1; `cargo run -p didt --
//! echo` is one that shows what it was sent. What a gateway of the real world has on top:
//! TLS, a pool of connections, several upstreams.
#![expect(clippy::print_stdout, reason = "an example prints what to try")]

mod account;
mod forward;
mod headers;
mod screen;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_didt::layer::AuthBody;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, SessionCookie, Verifier};

use crate::forward::{Upstream, UpstreamBody};

const CLIENT_ID: &str = "did:magic:my-app";

/// Everybody may reach what is under this path. An exact prefix, with its slash.
const PUBLIC: &str = "/public/";

/// For a request's head to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// With what the layer adds, and without.
type Answer = Response<Either<AuthBody<UpstreamBody>, UpstreamBody>>;

/// Where a request came from, for the upstream. Among the request's extensions.
#[derive(Clone, Copy)]
struct Peer(SocketAddr);

async fn answer(auth: DidAuth, upstream: Arc<Upstream>, request: Request<Incoming>) -> Answer {
    if let Err(refusal) = screen::check(&request) {
        let body = Full::from(format!("{{\"error\":\"{refusal}\"}}\n"));
        let mut response = Response::new(Either::Right(Either::Right(body)));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    }
    let path = request.uri().path();
    if path.starts_with(PUBLIC) {
        return upstream.forward(request).await.map(Either::Right);
    }
    let inner = tower::service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(match request.uri().path() {
            path if path.starts_with("/auth/") => account::answer(&request).await,
            _ => upstream.forward(request).await,
        })
    });
    match auth.layer().layer(inner).oneshot(request).await {
        Ok(response) => response.map(Either::Left),
        Err(never) => match never {},
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::read(std::env::args().skip(1))?;
    let cookie = SessionCookie::default();
    let upstream = Upstream {
        address: arguments.upstream,
        cookie_name: cookie.name().to_owned(),
        timeout: arguments.timeout,
    };
    let upstream = Arc::new(upstream);
    let auth = DidAuth::new(Verifier::new(CLIENT_ID)).with_cookie(cookie);

    let listener = TcpListener::bind(&arguments.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    let token = Wallet::from_seed("alice").token(CLIENT_ID).mint();
    println!("curl -sS -i -X POST -H 'Authorization: Bearer {token}' {url}/auth/login");
    println!("curl -sS -i -H 'Authorization: Bearer {token}' {url}/");

    loop {
        let (stream, peer) = listener.accept().await?;
        let (auth, upstream) = (auth.clone(), Arc::clone(&upstream));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            let (auth, upstream) = (auth.clone(), Arc::clone(&upstream));
            async move { Ok::<_, Infallible>(answer(auth, upstream, request).await) }
        });
        tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let stream = TokioIo::new(stream);
            if let Err(error) = server.serve_connection_with_upgrades(stream, service).await {
                println!("a connection broke: {error}");
            }
        });
    }
}

/// The command line.
struct Arguments {
    listen: String,
    timeout: Duration,
    upstream: String,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, &'static str> {
        const USAGE: &str = "usage: gateway [--listen ADDRESS] [--timeout SECONDS] UPSTREAM";
        let (mut listen, mut upstream) = ("127.0.0.1:3000".to_owned(), None);
        let mut timeout = Duration::from_secs(30);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--listen" => listen = words.next().ok_or(USAGE)?,
                "--timeout" => {
                    let seconds = words.next().and_then(|text| text.parse().ok()).ok_or(USAGE)?;
                    timeout = Duration::try_from_secs_f64(seconds).map_err(|_| USAGE)?;
                }
                option if option.starts_with('-') => return Err(USAGE),
                address => {
                    let address = address.trim_start_matches("http://").trim_end_matches('/');
                    upstream = Some(address.to_owned());
                }
            }
        }
        Ok(Self { listen, timeout, upstream: upstream.ok_or(USAGE)? })
    }
}

/// A short answer of the gateway's own.
fn own(status: StatusCode, body: impl Into<Bytes>) -> Response<UpstreamBody> {
    let mut response = Response::new(Either::Right(Full::new(body.into())));
    *response.status_mut() = status;
    response
}
