//! Envoy's `ext_authz` over HTTP: with `path_prefix: /check/envoy` the question has the original
//! request's method, host, path and query, and those of its headers that the configuration lists.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;

use super::question::{Kind, Original, told};
use super::refusal::Refusal;
use super::{Checks, endpoint};

const PREFIX: &str = "/check/envoy";

pub(super) fn router() -> Router<Arc<Checks>> {
    // A wildcard stands for at least one character; the path is read from the target itself.
    Router::new()
        .route("/check/envoy/", endpoint(Kind::Envoy, original))
        .route("/check/envoy/{*original}", endpoint(Kind::Envoy, original))
}

fn original(head: Parts) -> Result<Original, Refusal> {
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
        headers: head.headers,
    })
}
