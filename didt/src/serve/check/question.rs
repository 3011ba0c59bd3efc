//! A gateway's question: who asks, and about which request.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri};
use tower_didt::layer::NAVIGATION_HEADERS;

use super::super::peer::{Client, Peer};
use super::super::policy::Target;
use super::denial::Denial;

/// What the crate's layer decides by. No other header of a client's takes part in that.
const CREDENTIALS: [HeaderName; 5] =
    [AUTHORIZATION, COOKIE, ORIGIN, HeaderName::from_static("sec-fetch-site"), UPGRADE];

/// A question as it came in.
#[derive(Debug)]
pub(crate) struct Question {
    pub(super) kind: Kind,
    /// The proxy that asks.
    pub(super) peer: Peer,
    /// The address that the request comes from, according to trusted proxies.
    pub(super) client: Option<IpAddr>,
    pub(super) original: Result<Original, Denial>,
}

impl Question {
    /// A question that came by HTTP. A request without a known peer is trusted by nobody.
    pub(super) fn new(kind: Kind, head: Parts) -> Self {
        let client = head.extensions.get::<Client>().and_then(|client| client.0);
        match head.extensions.get::<Peer>().copied() {
            Some(peer) => Self { kind, peer, client, original: kind.read(head) },
            None => Self { kind, peer: Peer::Unix, client, original: Err(Denial::UntrustedProxy) },
        }
    }
}

/// Which kind of gateway asks. The endpoint says so; it is never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    Envoy,
}

impl Kind {
    /// For logs.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Whether the sample configuration forbids caches to store the application's answer where it
    /// adds a cookie of ours. Traefik has no way to do so, and is given no cookie to add.
    pub(super) const fn forbids_storing(self) -> bool {
        !matches!(self, Self::Traefik)
    }

    /// The status that says the same to this gateway. `of_account`: what stands behind a redirect is
    /// that this account may not pass. nginx understands 401 and 403 as denials and
    /// makes 500 of everything else: right where nothing is known, wrong for a bad request.
    pub(super) fn status(self, status: StatusCode, of_account: bool) -> StatusCode {
        match (self, status) {
            (Self::Nginx, StatusCode::UNAUTHORIZED) => status,
            (Self::Nginx, StatusCode::FOUND) if of_account => StatusCode::FORBIDDEN,
            (Self::Nginx, StatusCode::FOUND) => StatusCode::UNAUTHORIZED,
            (Self::Nginx, status) if status.is_client_error() => StatusCode::FORBIDDEN,
            _ => status,
        }
    }
}

/// The request that a gateway asks about, as the gateway states it: unchecked bytes.
#[derive(Debug, Default)]
pub(crate) struct Original {
    pub(super) method: Bytes,
    /// `http` or `https`.
    pub(super) scheme: Bytes,
    /// With a port where it has one.
    pub(super) host: Bytes,
    /// Path and query, as the client sent them.
    pub(super) uri: Bytes,
    /// The client's headers, as far as the gateway passes them on, and the gateway's own.
    pub(super) headers: HeaderMap,
}

impl Original {
    /// The request for the crate's layer: its target in canonical form, and its credentials.
    pub(super) fn request(&self, target: &Target) -> Result<Request<()>, Denial> {
        let host = HeaderValue::try_from(target.host.as_str()).map_err(|_| Denial::NotStated)?;
        let builder = Request::builder().method(target.method.clone()).uri(self.way_back(target));
        let mut request = builder.body(()).map_err(|_| Denial::NotStated)?;
        let headers = request.headers_mut();
        headers.insert(HOST, host);
        // What says whether a person opens a page decides how a denial looks, and never whether there is one.
        let navigation = NAVIGATION_HEADERS.map(HeaderName::from_static);
        let navigation = navigation.into_iter().filter(|name| !CREDENTIALS.contains(name));
        for name in CREDENTIALS.into_iter().chain(navigation) {
            for value in self.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        // Traefik's ForwardAuth takes `Upgrade` out of its questions, and others may be set up to.
        // The key comes with every handshake (RFC 6455 section 4.1), and no page can set it.
        if !headers.contains_key(UPGRADE) && self.headers.contains_key(SEC_WEBSOCKET_KEY) {
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        }
        Ok(request)
    }
}

impl Original {
    /// The canonical path, or the one that came if it has no such form, and the query as it came:
    /// the layer looks at neither, but a person who is sent to sign in comes back to them. A query
    /// that no URI has is left out.
    fn way_back(&self, target: &Target) -> Uri {
        let query = self.uri.iter().position(|byte| *byte == b'?');
        let query = query.and_then(|at| self.uri.get(at..)).unwrap_or_default();
        let whole = [target.path_sent().as_bytes(), query].concat();
        let path = || Uri::try_from(target.path_sent()).unwrap_or_default();
        Uri::try_from(whole).unwrap_or_else(|_| path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade(header: Option<(HeaderName, &'static str)>) -> Option<HeaderValue> {
        let mut original = Original::default();
        if let Some((name, value)) = header {
            original.headers.insert(name, HeaderValue::from_static(value));
        }
        let target = Target::new(b"GET", b"https", b"example.com", b"/").expect("canonical");
        let request = original.request(&target).expect("a request");
        request.headers().get(UPGRADE).cloned()
    }

    /// Their `Origin` is checked although they are `GET`.
    #[test]
    fn a_websocket_is_known_by_its_key_where_the_gateway_tells_no_upgrade() {
        assert_eq!(upgrade(None), None);
        let websocket = Some(HeaderValue::from_static("websocket"));
        assert_eq!(upgrade(Some((SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="))), websocket);
        let other = Some(HeaderValue::from_static("h2c"));
        assert_eq!(upgrade(Some((UPGRADE, "h2c"))), other);
    }
}
