//! One request: who sent it, and an answer in time.

use std::convert::Infallible;
use std::future::Future;

use axum::body::{Body, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::ServiceExt;

use super::activity::Activity;
use super::serving::Serving;
use super::unread::Unread;
use crate::serve::peer::Peer;

/// Answers one request.
///
/// Whatever takes longer than `limits.request_timeout` is answered with 503 and `Retry-After`, as is a store that
/// cannot answer: no gateway takes that for a yes. Bodies are read by whoever wants one, within the same
/// time; what nobody read when the answer is made ends the connection (HTTP/1.1) or the stream (HTTP/2).
///
/// A client that leaves its answers unread gets no further ones: they wait until it reads, and those
/// that are made all the same are dropped. [`connection`](super::connection) ends it in time.
pub(super) fn answer(
    serving: &Serving,
    mut request: Request<Incoming>,
    peer: Peer,
    activity: &Activity,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let in_flight = activity.begin(request.version());
    request.extensions_mut().insert(peer);
    let limit = serving.limits.request_timeout;
    let answer = serving.router.clone().oneshot(request.map(Body::new));
    let activity = activity.clone();
    let answer = async move {
        activity.room().await;
        let Ok(response) = answer.await;
        let room = activity.has_room_for(length(&response));
        Ok::<_, Infallible>(if room { response } else { unread_before() })
    };
    async move {
        let response = match timeout(limit, answer).await {
            Ok(Ok(response)) => response,
            Err(_) => too_late(),
        };
        if response.body().is_end_stream() {
            return Ok(response);
        }
        let sending = in_flight.sending(length(&response));
        Ok(response.map(|body| Unread::body(body, sending)))
    }
}

/// Of what is not known the least: answers of ours are complete when they are made.
fn length(response: &Response<Body>) -> usize {
    usize::try_from(response.body().size_hint().lower()).unwrap_or(usize::MAX)
}

fn too_late() -> Response<Body> {
    metrics::counter!("didt_request_timeouts_total").increment(1);
    tracing::warn!("a request was not answered in time");
    unavailable()
}

/// There is room for this short one: no more come than there may be requests at a time.
fn unread_before() -> Response<Body> {
    metrics::counter!("didt_unread_answers_total").increment(1);
    unavailable()
}

fn unavailable() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"error":"temporarily_unavailable"}"#));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}
