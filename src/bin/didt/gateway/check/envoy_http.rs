//! Envoy's `ext_authz` over HTTP: with `path_prefix: /check/envoy` the question has the original
//! request's method, host, path and query, and those of its headers that the configuration lists.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;

use super::Checks;
use super::question::{Kind, Original, Question, told};
use super::refusal::Refusal;

const PREFIX: &str = "/check/envoy";

pub(super) fn router() -> Router<Arc<Checks>> {
    let answer = || {
        any(async |State(checks): State<Arc<Checks>>, request: Request| -> Response {
            let (head, _) = request.into_parts();
            let question = Question::new(Kind::Envoy, &head, original(&head));
            checks.check(question).await.map(Body::from)
        })
    };
    // A wildcard stands for at least one character; the path is read from the target itself.
    Router::new().route("/check/envoy/", answer()).route("/check/envoy/{*original}", answer())
}

fn original(head: &Parts) -> Result<Original, Refusal> {
    let target = head.uri.path_and_query().ok_or(Refusal::Untold)?;
    let uri = target.as_str().strip_prefix(PREFIX).ok_or(Refusal::Untold)?;
    let host = match head.uri.authority() {
        Some(authority) => Bytes::copy_from_slice(authority.as_str().as_bytes()),
        None => told(&head.headers, HOST.as_str())?,
    };
    Ok(Original {
        method: Bytes::copy_from_slice(head.method.as_str().as_bytes()),
        scheme: told(&head.headers, "x-forwarded-proto")?,
        host,
        uri: Bytes::copy_from_slice(uri.as_bytes()),
        headers: head.headers.clone(),
    })
}
