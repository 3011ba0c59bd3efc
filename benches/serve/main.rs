//! What could stand in the place of `didt serve`: it lets every request pass and looks at nothing.
//!
//! ```text
//! bench-auth http PORT STATUS [HEADER…]   answers HTTP/1 and HTTP/2 by hyper, always the same
//! bench-auth grpc PORT [HEADER…]          answers Envoy's `ext_authz` by tonic, always the same
//! bench-auth question HEADER…             writes Envoy's question over gRPC about such a request
//! ```
//!
//! A header is `NAME: VALUE`. The runtime is the one that `didt serve` has: a thread for each
//! processor that the process may use. Runs until it is ended.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};

use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction,
};
use envoy_types::ext_authz::v3::{CheckResponseExt, OkHttpResponseBuilder};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use prost::Message;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().ok_or("what to do?")?;
    if kind == "question" {
        return Ok(io::stdout().lock().write_all(&question(arguments)?)?);
    }
    let port = arguments.next().ok_or("no port")?.parse()?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    match kind.as_str() {
        "http" => {
            let mut response = Response::new(Empty::<Bytes>::new());
            *response.status_mut() = arguments.next().ok_or("no status")?.parse::<StatusCode>()?;
            for (name, value) in pairs(arguments)? {
                let value = value.parse::<HeaderValue>()?;
                response.headers_mut().append(name.parse::<HeaderName>()?, value);
            }
            runtime.block_on(serve(
                port,
                service_fn(move |_: Request<Incoming>| {
                    let response = response.clone();
                    async move { Ok::<_, Infallible>(response) }
                }),
            ))
        }
        "grpc" => {
            let server = AuthorizationServer::new(Same(allowed(&pairs(arguments)?)));
            runtime.block_on(serve(port, TowerToHyperService::new(server)))
        }
        _ => Err("no such kind".into()),
    }
}

/// Both versions of HTTP on one port, as `didt serve` has them.
async fn serve<S, B>(port: u16, service: S) -> Result<(), Failure>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Failure>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // Clients that go are no fault.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn pairs(headers: impl Iterator<Item = String>) -> Result<Vec<(String, String)>, Failure> {
    let pair = |header: String| {
        let (name, value) = header.split_once(':').ok_or("a header is NAME: VALUE")?;
        Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    headers.map(pair).collect()
}

struct Same(CheckResponse);

#[tonic::async_trait]
impl Authorization for Same {
    async fn check(
        &self,
        _: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        Ok(tonic::Response::new(self.0.clone()))
    }
}

fn allowed(headers: &[(String, String)]) -> CheckResponse {
    let mut ok = OkHttpResponseBuilder::new();
    for (name, value) in headers {
        ok.add_header(name, value, Some(HeaderAppendAction::OverwriteIfExistsOrAdd), true);
    }
    let mut response = CheckResponse::with_status(tonic::Status::ok(""));
    response.set_http_response(ok);
    response
}

/// A message of gRPC: uncompressed, its length, the question.
fn question(headers: impl Iterator<Item = String>) -> Result<Vec<u8>, Failure> {
    let mut http = HttpRequest {
        method: "GET".to_owned(),
        scheme: "https".to_owned(),
        host: "app.example.com".to_owned(),
        path: "/orders/42?page=2".to_owned(),
        protocol: "HTTP/2".to_owned(),
        ..HttpRequest::default()
    };
    http.headers.extend(pairs(headers)?);
    for (name, value) in
        [(":method", &http.method), (":scheme", &http.scheme), (":path", &http.path)]
    {
        http.headers.insert(name.to_owned(), value.clone());
    }
    http.headers.insert(":authority".to_owned(), http.host.clone());
    let request = attribute_context::Request { http: Some(http), ..Default::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([[0].as_slice(), &length, &message].concat())
}
