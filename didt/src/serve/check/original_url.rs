//! nginx and HAProxy: the configuration sets `X-Original-Method` and `X-Original-URL`.
//!
//! nginx's `auth_request` tells neither by itself; HAProxy's is a script of ours that tells the
//! same. `X-Original-URL` is `scheme://host/path?query`, raw as the client sent it. nginx sends
//! no `Upgrade` in subrequests: `X-Original-Upgrade` stands for it, empty if there is none.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use http::header::UPGRADE;
use http::request::Parts;

use super::question::{Kind, Original, told};
use super::refusal::Refusal;
use super::{Checks, endpoint};

const METHOD: &str = "x-original-method";
const URL: &str = "x-original-url";
const UPGRADED: &str = "x-original-upgrade";

pub(super) fn router() -> Router<Arc<Checks>> {
    Router::new()
        .route("/check/nginx", endpoint(Kind::Nginx, original))
        .route("/check/haproxy", endpoint(Kind::Haproxy, original))
}

fn original(head: Parts) -> Result<Original, Refusal> {
    let url = told(&head.headers, URL)?;
    let (scheme, host, uri) = split(&url).ok_or(Refusal::Untold)?;
    let method = told(&head.headers, METHOD)?;
    let mut headers = head.headers;
    let told: Vec<_> =
        headers.get_all(UPGRADED).iter().filter(|value| !value.is_empty()).cloned().collect();
    for upgrade in told {
        headers.append(UPGRADE, upgrade);
    }
    Ok(Original { method, scheme, host, uri, headers })
}

/// Scheme, host, and all from the first slash on. Nothing is decoded or skipped.
fn split(url: &Bytes) -> Option<(Bytes, Bytes, Bytes)> {
    let colon = url.windows(3).position(|window| window == b"://")?;
    let host = colon + 3;
    let slash = url.get(host..)?.iter().position(|byte| *byte == b'/')? + host;
    Some((url.slice(..colon), url.slice(host..slash), url.slice(slash..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_cut_at_its_first_slash_and_at_nothing_else() {
        let rows: [(&str, Option<[&str; 3]>); 8] = [
            ("https://a.example/b?c=d", Some(["https", "a.example", "/b?c=d"])),
            ("http://a.example:8080//b#c", Some(["http", "a.example:8080", "//b#c"])),
            ("https://a.example/b?u=http://c/d", Some(["https", "a.example", "/b?u=http://c/d"])),
            ("https://user@a.example/b", Some(["https", "user@a.example", "/b"])),
            ("https:///b", Some(["https", "", "/b"])),
            ("https://a.example?b=/c", Some(["https", "a.example?b=", "/c"])),
            ("https://a.example", None),
            ("/b", None),
        ];
        for (url, expected) in rows {
            let parts = split(&Bytes::from_static(url.as_bytes()));
            let expected = expected.map(|[a, b, c]| {
                (
                    Bytes::from_static(a.as_bytes()),
                    Bytes::from_static(b.as_bytes()),
                    Bytes::from_static(c.as_bytes()),
                )
            });
            assert_eq!(parts, expected, "{url}");
        }
    }
}
