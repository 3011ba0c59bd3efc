//! What is refused before anybody is asked: requests that two readers could read differently.

use hyper::header::{CONNECTION, HOST, HeaderName};
use hyper::{HeaderMap, Method, Request};

use crate::headers;

/// What the client is told.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), &'static str> {
    // A tunnel would lead past every rule.
    if request.method() == Method::CONNECT {
        return Err("method");
    }
    if !has_one_host(request) {
        return Err("host");
    }
    if !is_canonical(request.uri().path()) {
        return Err("path");
    }
    if names_what_we_add(request.headers()) {
        return Err("connection");
    }
    Ok(())
}

/// One `Host`, and no other in the target (HTTP/2 has it there alone).
fn has_one_host<B>(request: &Request<B>) -> bool {
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => authority.is_none_or(|authority| authority == host.as_bytes()),
        (None, _) => authority.is_some(),
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is only one way to read the path: no `..`, nothing encoded that means
/// something, no parameters, no empty segments, ASCII alone.
fn is_canonical(path: &str) -> bool {
    const MEANINGFUL: [&str; 10] =
        ["%2e", "%2f", "%5c", "%23", "%3f", "%25", "%3b", "%00", "%20", "//"];
    let lower = path.to_ascii_lowercase();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\;#".contains(&byte);
    path.starts_with('/')
        && path.bytes().all(is_plain)
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && !MEANINGFUL.iter().any(|text| lower.contains(text))
}

/// What `Connection` names is removed on the way: nobody may name what tells who is calling.
fn names_what_we_add(headers: &HeaderMap) -> bool {
    let names = headers.get_all(CONNECTION).iter().flat_map(|value| {
        // What is no text names no header either, and is refused as well.
        value.to_str().unwrap_or("x-auth").split(',')
    });
    names.map(str::trim).any(|name| {
        let credential = ["authorization", "cookie", "host", "origin", "sec-fetch-site"];
        credential.iter().any(|other| name.eq_ignore_ascii_case(other))
            || HeaderName::try_from(name).is_ok_and(|name| headers::is_ours(&name))
    })
}
