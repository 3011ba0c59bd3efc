//! One request: who sent it, and an answer in time.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::ServiceExt;

use super::activity::Activity;
use crate::serve::peer::Peer;

/// Answers one request.
///
/// Whatever takes longer than `limit` is answered with 503 and `Retry-After`, as is a store that
/// cannot answer: no gateway takes that for a yes. Bodies are read by whoever wants one, within the same
/// time; what nobody read when the answer is made ends the connection (HTTP/1.1) or the stream (HTTP/2).
pub(super) fn answer(
    router: &Router,
    mut request: Request<Incoming>,
    peer: Peer,
    limit: Duration,
    activity: &Activity,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let in_flight = activity.begin(request.version());
    request.extensions_mut().insert(peer);
    let answer = router.clone().oneshot(request.map(Body::new));
    async move {
        let _in_flight = in_flight;
        match timeout(limit, answer).await {
            Ok(answer) => answer,
            Err(_) => Ok(too_late()),
        }
    }
}

fn too_late() -> Response<Body> {
    metrics::counter!("didt_request_timeouts_total").increment(1);
    tracing::warn!("a request was not answered in time");
    let mut response = Response::new(Body::from(r#"{"error":"temporarily_unavailable"}"#));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
