//! The answer to one request.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::http::header::InvalidHeaderValue;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::Serialize;

use super::recorder::{Head, Record};

/// What distinguishes its answers from a gateway's.
pub(crate) const MARK: HeaderName = HeaderName::from_static("x-didt-echo");

/// The protocol it upgrades to: gateways pass on WebSockets and nothing else. (What follows is no
/// WebSocket: bytes are enough to see whether a gateway lets them through.)
const UPGRADED: &str = "websocket";

/// The protocol inside that it upgrades for. All other requests are answered as usual.
const PROTOCOL: &str = "echo";

/// What it says about a request.
#[derive(Serialize)]
struct Answer<'a> {
    request: u64,
    #[serde(flatten)]
    head: &'a Head,
    body_bytes: u64,
}

/// Answers, once the whole body is here.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    record: Record,
    counter: &AtomicU64,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
    let Some(head) = record.take() else {
        return Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, NO_STORE, Bytes::new()));
    };
    let is = |name, word: &str| {
        let value = request.headers().get(name);
        value.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
    };
    if is(UPGRADE, UPGRADED) && is(SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        tokio::spawn(send_back(hyper::upgrade::on(&mut request)));
        let accept = request.headers().get(SEC_WEBSOCKET_KEY).map(accept);
        let mut response = respond(StatusCode::SWITCHING_PROTOCOLS, NO_STORE, Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(UPGRADED));
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        // HAProxy looks at it.
        headers.extend(accept.and_then(Result::ok).map(|accept| (SEC_WEBSOCKET_ACCEPT, accept)));
        headers.remove(CONTENT_TYPE);
        return Ok(response);
    }
    let body_bytes = length(request.into_body()).await?;
    let cache_control = match cache_seconds(&head.target) {
        Some(seconds) => HeaderValue::try_from(format!("public, max-age={seconds}")),
        None => Ok(NO_STORE),
    };
    let answer = Answer { request: number, head: &head, body_bytes };
    let (Ok(cache_control), Ok(mut body)) = (cache_control, serde_json::to_vec(&answer)) else {
        return Ok(respond(StatusCode::INTERNAL_SERVER_ERROR, NO_STORE, Bytes::new()));
    };
    body.push(b'\n');
    let mut response = respond(StatusCode::OK, cache_control, body.into());
    if cache_seconds(&head.target).is_some() {
        // As an application does that speaks to content delivery networks (RFC 9213).
        for name in TARGETED {
            response.headers_mut().insert(name, HeaderValue::from_static("public, max-age=60"));
        }
    }
    Ok(response)
}

/// Fields that make some cache store an answer, whatever its `Cache-Control` says.
const TARGETED: [&str; 4] =
    ["cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control", "edge-control"];

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

fn respond(status: StatusCode, cache_control: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(MARK, HeaderValue::from_static("1"));
    // One request a connection: what was recorded is that request's. Said here and not by the
    // server's configuration, which would say it of a 101 too: proxies written in Go then take
    // the upgrade for none.
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CACHE_CONTROL, cache_control);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// That the handshake was understood (RFC 6455 section 4.2.2): the key with a fixed text behind it,
/// hashed.
fn accept(key: &HeaderValue) -> Result<HeaderValue, InvalidHeaderValue> {
    const SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), SUFFIX].concat());
    STANDARD.encode(digest).try_into()
}

/// Reads a body to its end and keeps nothing of it.
async fn length<B: Body<Data = Bytes> + Unpin>(mut body: B) -> Result<u64, B::Error> {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap_or_default();
        length += u64::try_from(data.len()).unwrap_or(u64::MAX);
    }
    Ok(length)
}

/// The `SECONDS` of `?cache=SECONDS`.
fn cache_seconds(target: &str) -> Option<u32> {
    let (_, query) = target.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("cache="))?.parse().ok()
}

/// After an upgrade: every byte comes back.
async fn send_back(upgrade: hyper::upgrade::OnUpgrade) {
    if let Ok(stream) = upgrade.await {
        let (mut reader, mut writer) = tokio::io::split(TokioIo::new(stream));
        // The other end has closed the connection: there is nobody to answer.
        let _ = tokio::io::copy(&mut reader, &mut writer).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_in_caches_is_read_from_the_query() {
        let rows = [
            ("/a?cache=60", Some(60)),
            ("/a?b=1&cache=0", Some(0)),
            ("/cache=60", None),
            ("/a?cache=-1", None),
            ("/a?cache=1, private", None),
        ];
        for (target, seconds) in rows {
            assert_eq!(cache_seconds(target), seconds, "{target}");
        }
    }
}
