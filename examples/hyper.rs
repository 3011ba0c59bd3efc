//! Plain hyper: the layer around a tower service, no framework.
//!
//! ```text
//! cargo run --example hyper [ADDRESS]
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what to try")]

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Session, Verifier};

const CLIENT_ID: &str = "did:magic:my-app";

/// Requests arrive with the caller's session among their extensions.
async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(session) = request.extensions().get::<Session>() else {
        let mut response = Response::new(Full::from("the layer is missing\n"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return Ok(response);
    };
    Ok(Response::new(Full::from(format!("you are {}\n", session.issuer()))))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let auth = DidAuth::new(Verifier::new(CLIENT_ID));
    let guarded = auth.layer().layer(service_fn(hello));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    let token = Wallet::from_seed("alice").token(CLIENT_ID).mint();
    println!("curl -sS -i -H 'Authorization: Bearer {token}' {url}/");

    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(guarded.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                println!("a connection broke: {error}");
            }
        });
    }
}
