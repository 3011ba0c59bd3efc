//! gRPC: the layer in front of a tonic service, tokens in the metadata.
//!
//! ```text
//! cargo run --example tonic [ADDRESS]
//! ```
//!
//! Runs a server and a client of it in one process. gRPC clients keep no
//! cookies, so there are no sessions here: every call brings its token.
#![expect(clippy::print_stdout, reason = "an example prints what happens")]

use std::error::Error;

use tonic::codegen::BoxStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, NoSessions, Session, Verifier};

const CLIENT_ID: &str = "did:magic:my-app";

/// Stands for a service of your own: gRPC's health checks come with their code
/// made already, so that this example builds without `protoc`.
struct MyService;

#[tonic::async_trait]
impl Health for MyService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let session = request.extensions().get::<Session>();
        let session = session.ok_or_else(|| Status::internal("the layer is missing"))?;
        println!("server: called by {}", session.issuer());
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only `check` is"))
    }
}

async fn serve(incoming: TcpIncoming) -> Result<(), tonic::transport::Error> {
    // Every call brings its own token, good for 15 minutes from when it was issued.
    let verifier = Verifier::new(CLIENT_ID);
    let auth = DidAuth::new(verifier).with_store(NoSessions).with_grpc_rejections();
    Server::builder()
        .layer(auth.layer())
        .serve_with_incoming(HealthServer::new(MyService), incoming)
        .await
}

async fn call(channel: Channel, token: Option<&str>) -> Result<(), Box<dyn Error>> {
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(token) = token {
        let value: MetadataValue<Ascii> = format!("Bearer {token}").parse()?;
        request.metadata_mut().insert("authorization", value);
    }
    match HealthClient::new(channel).check(request).await {
        Ok(answer) => println!("client: {:?}", answer.into_inner().status()),
        Err(status) => println!("client: {:?}: {}", status.code(), status.message()),
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let incoming = TcpIncoming::bind(address.parse()?)?;
    let url = format!("http://{}", incoming.local_addr()?);
    println!("listening on {url}");
    let server = tokio::spawn(serve(incoming));

    let channel = Endpoint::from_shared(url)?.connect().await?;
    println!("without a token:");
    call(channel.clone(), None).await?;
    println!("with a token that is none:");
    call(channel.clone(), Some("nonsense")).await?;
    println!("with a good token:");
    let token = Wallet::from_seed("alice").token(CLIENT_ID).mint();
    call(channel, Some(&token)).await?;

    println!("serving on, Ctrl-C stops it");
    Ok(server.await??)
}
