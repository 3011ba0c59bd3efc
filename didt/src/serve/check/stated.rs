//! The original request, as each kind of gateway states it: in parts, never as one text that the
//! client wrote pieces of.
//!
//! A text such as `scheme://host/path`, glued by the gateway, can be cut in another place than
//! where it was glued: `Host: x/public/?` turns `/private` into the query of `/public/`. So
//! method, scheme, host and target come in fields of their own, and each has its own grammar
//! (`policy::Target`).

use bytes::Bytes;
use http::HeaderMap;
use http::header::{HOST, UPGRADE};
use http::request::Parts;

use super::denial::Denial;
use super::question::{Kind, Original};

/// What nginx's configuration and HAProxy's script set. `X-Original-URI` is path and query, raw as
/// the client sent them.
const METHOD: &str = "x-original-method";
const SCHEME: &str = "x-original-scheme";
const HOST_SENT: &str = "x-original-host";
const URI: &str = "x-original-uri";

/// Replaces `Upgrade`, which nginx does not send in subrequests; empty if there is none.
const UPGRADE_SENT: &str = "x-original-upgrade";

/// The glued form. A configuration that sets it leaves the parts to the client, who could then
/// state any request.
const GLUED: &str = "x-original-url";

/// Where Envoy puts the original path: behind this prefix.
const ENVOY_PREFIX: &str = "/check/envoy";

impl Kind {
    /// Reads the request that a gateway of this kind asks about over HTTP.
    pub(super) fn read(self, head: Parts) -> Result<Original, Denial> {
        match self {
            Self::Nginx | Self::Haproxy => in_original_headers(head.headers),
            Self::Caddy | Self::Traefik => in_forwarded_headers(head.headers),
            Self::Envoy => in_the_request_itself(head),
        }
    }
}

/// nginx and HAProxy.
fn in_original_headers(mut headers: HeaderMap) -> Result<Original, Denial> {
    if headers.contains_key(GLUED) {
        return Err(Denial::NotStated);
    }
    let method = single_header(&headers, METHOD)?;
    let scheme = single_header(&headers, SCHEME)?;
    let host = single_header(&headers, HOST_SENT)?;
    let uri = single_header(&headers, URI)?;
    let sent: Vec<_> =
        headers.get_all(UPGRADE_SENT).iter().filter(|value| !value.is_empty()).cloned().collect();
    for upgrade in sent {
        headers.append(UPGRADE, upgrade);
    }
    Ok(Original { method, scheme, host, uri, headers })
}

/// Caddy's `forward_auth` and Traefik's `ForwardAuth`, which overwrite what the client sent in
/// these.
fn in_forwarded_headers(headers: HeaderMap) -> Result<Original, Denial> {
    Ok(Original {
        method: single_header(&headers, "x-forwarded-method")?,
        scheme: single_header(&headers, "x-forwarded-proto")?,
        host: single_header(&headers, "x-forwarded-host")?,
        uri: single_header(&headers, "x-forwarded-uri")?,
        headers,
    })
}

/// Envoy's `ext_authz` over HTTP: with `path_prefix: /check/envoy` the question has the original
/// request's method, host, path and query.
fn in_the_request_itself(head: Parts) -> Result<Original, Denial> {
    let target = head.uri.path_and_query().ok_or(Denial::NotStated)?;
    let uri = target.as_str().strip_prefix(ENVOY_PREFIX).ok_or(Denial::NotStated)?;
    let uri = Bytes::copy_from_slice(uri.as_bytes());
    let host = match head.uri.authority() {
        Some(authority) => {
            let authority = Bytes::copy_from_slice(authority.as_str().as_bytes());
            names_no_other_host(&head.headers, &authority)?;
            authority
        }
        None => single_header(&head.headers, HOST.as_str())?,
    };
    Ok(Original {
        method: Bytes::copy_from_slice(head.method.as_str().as_bytes()),
        scheme: single_header(&head.headers, "x-forwarded-proto")?,
        host,
        uri,
        headers: head.headers,
    })
}

/// Refuses a request whose `Host` fields name another host than its authority: the gateway chose
/// the site by one of them, and the application may go by the other.
pub(super) fn names_no_other_host(headers: &HeaderMap, authority: &[u8]) -> Result<(), Denial> {
    let mut hosts = headers.get_all(HOST).iter();
    match hosts.all(|host| host.as_bytes().eq_ignore_ascii_case(authority)) {
        true => Ok(()),
        false => Err(Denial::NotStated),
    }
}

/// The value of a header that the gateway sets. A header that occurs twice is as bad as a missing
/// one: one of the two may be the client's.
pub(super) fn single_header(headers: &HeaderMap, name: &str) -> Result<Bytes, Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(Bytes::copy_from_slice(value.as_bytes())),
        _ => Err(Denial::NotStated),
    }
}
