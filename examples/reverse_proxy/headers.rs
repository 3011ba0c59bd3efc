//! What goes on to the upstream, and what stays here.

use hyper::header::{
    AUTHORIZATION, CONNECTION, COOKIE, FORWARDED, HOST, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Uri, Version};
use tower_didt::Session;

use crate::Peer;

/// Makes of a client's request the upstream's.
pub(crate) fn prepare(request: &mut Parts, cookie_name: &str) {
    // To a WebSocket alone: behind a switch to HTTP/2 (`h2c`) the client would send the upstream
    // requests that nobody has looked at.
    let upgrade = remove_hop_by_hop(&mut request.headers)
        .filter(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
    remove_claims(&mut request.headers);
    request.headers.remove(AUTHORIZATION);
    remove_cookie(&mut request.headers, cookie_name);

    if let Some(authority) = request.uri.authority()
        && let Ok(host) = HeaderValue::try_from(authority.as_str())
    {
        request.headers.insert(HOST, host);
    }
    let forwarded = [
        ("x-forwarded-host", request.headers.get(HOST).cloned()),
        // This example speaks no TLS. One that does says `https`.
        ("x-forwarded-proto", Some(HeaderValue::from_static("http"))),
        ("x-forwarded-for", request.extensions.get::<Peer>().and_then(address)),
    ];
    let session = request.extensions.get::<Session>();
    let identity = [
        ("x-auth-issuer", session.and_then(|session| value(session.issuer()))),
        ("x-auth-address", session.and_then(|session| value(session.address()))),
    ];
    for (name, value) in forwarded.into_iter().chain(identity) {
        if let Some(value) = value {
            request.headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(protocol) = upgrade {
        request.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers.insert(UPGRADE, protocol);
    }

    let target = request.uri.path_and_query().cloned();
    request.uri = target.map_or_else(Uri::default, Uri::from);
    request.version = Version::HTTP_11;
}

/// Removes what is between two neighbours only (RFC 9110 section 7.6.1), and returns the protocol
/// that the client or upstream asks to change to.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) -> Option<HeaderValue> {
    let connection: Vec<_> = headers.get_all(CONNECTION).iter().cloned().collect();
    let names = connection.iter().filter_map(|value| value.to_str().ok());
    let names = names.flat_map(|value| value.split(',')).map(str::trim);
    let names: Vec<_> = names.filter_map(|name| HeaderName::try_from(name).ok()).collect();
    let upgrade = headers.get(UPGRADE).cloned().filter(|_| names.contains(&UPGRADE));
    for name in names {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        HeaderName::from_static("http2-settings"),
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    upgrade
}

/// Whether some upstream could take a header for one that we add. `X_Auth_Issuer` and
/// `X.Auth.Issuer` are `X-Auth-Issuer` to many, `X!Auth!Issuer` is to lighttpd's.
pub(crate) fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str().replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
    name.starts_with("x-auth-") || name.starts_with("x-forwarded-") || name == "x-real-ip"
}

/// Removes what the client says of itself.
fn remove_claims(headers: &mut HeaderMap) {
    let claims: Vec<_> = headers.keys().filter(|name| is_ours(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
    headers.remove(FORWARDED);
}

/// Removes our cookie and leaves all others.
fn remove_cookie(headers: &mut HeaderMap, name: &str) {
    let is_ours = |pair: &[u8]| {
        let mut name_of = pair.split(|byte| *byte == b'=');
        name_of.next().is_some_and(|found| found.trim_ascii() == name.as_bytes())
    };
    let others: Vec<_> = headers
        .get_all(COOKIE)
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .filter(|pair| !is_ours(pair))
        .map(<[u8]>::trim_ascii)
        .collect();
    match HeaderValue::from_bytes(&others.join(&b"; "[..])) {
        Ok(cookies) if !cookies.is_empty() => headers.insert(COOKIE, cookies),
        _ => headers.remove(COOKIE),
    };
}

fn address(Peer(address): &Peer) -> Option<HeaderValue> {
    value(address.ip())
}

fn value(text: impl std::fmt::Display) -> Option<HeaderValue> {
    HeaderValue::try_from(text.to_string()).ok()
}
