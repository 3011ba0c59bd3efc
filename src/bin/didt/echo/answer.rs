//! The answer to one request.

use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;

use super::recorder::{Head, Record};

/// What tells its answers from a gateway's.
pub(crate) const MARK: HeaderName = HeaderName::from_static("x-didt-echo");

/// The protocol that it upgrades to.
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
    if request.headers().get(UPGRADE).is_some_and(|protocol| protocol == PROTOCOL) {
        tokio::spawn(send_back(hyper::upgrade::on(&mut request)));
        let mut response = respond(StatusCode::SWITCHING_PROTOCOLS, NO_STORE, Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
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
    Ok(respond(StatusCode::OK, cache_control, body.into()))
}

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
        // Whoever is at the other end has left: nobody to tell.
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
