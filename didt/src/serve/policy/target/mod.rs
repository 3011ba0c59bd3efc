//! The original request's target, in the one form that rules are matched on.

use std::fmt;

use http::Method;

use super::host::{self, HostFault};
use super::method::{self, MethodFault};
use super::path::{self, PathFault};
use super::readings;

/// Method, scheme, host and path of the original request.
///
/// The query takes no part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) https: bool,
    /// Lower case, with the port only if it is not the scheme's own.
    pub(crate) host: String,
    /// In canonical form. A path that has none is written as closely to it as its escapes allow.
    pub(crate) path: String,
    pub(crate) odd: Option<Odd>,
}

/// A path that two readers could take for different ones (`%2F`, `//`, `;x`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Odd {
    pub(crate) fault: PathFault,
    /// As the client sent it.
    pub(crate) sent: String,
}

impl Target {
    /// Reads what a gateway states: `uri` is the request target as the client sent it, path and
    /// query. Fails where the path has no canonical form.
    ///
    /// An absolute URI (`https://host/path`) is one that names the same scheme and host.
    pub(crate) fn new(
        method: &[u8],
        scheme: &[u8],
        host: &[u8],
        uri: &[u8],
    ) -> Result<Self, NotCanonical> {
        let target = Self::read(method, scheme, host, uri)?;
        match target.odd {
            Some(odd) => Err(NotCanonical::Path(odd.fault)),
            None => Ok(target),
        }
    }

    /// The same, also with a path that has no canonical form, but none that is refused whatever the
    /// rules are: a malformed one, one with control characters or bytes beyond ASCII, one that
    /// climbs out of the root.
    pub(crate) fn read(
        method: &[u8],
        scheme: &[u8],
        host: &[u8],
        uri: &[u8],
    ) -> Result<Self, NotCanonical> {
        let method = method::canonical(method).map_err(NotCanonical::Method)?;
        let https = is_https(scheme).ok_or(NotCanonical::Scheme)?;
        let host = host::canonical(host, https).map_err(NotCanonical::Host)?;
        let uri = if uri.starts_with(b"/") { uri } else { origin_form(uri, https, &host)? };
        let (path, odd) = match path::canonical(uri) {
            Ok(path) => (path, None),
            Err(fault) => {
                let path = path::of(uri).map_err(NotCanonical::Path)?;
                if !readings::are_harmless(path) {
                    return Err(NotCanonical::Path(fault));
                }
                let sent = String::from_utf8_lossy(path).into_owned();
                (readings::as_url(path), Some(Odd { fault, sent }))
            }
        };
        Ok(Self { method, https, host, path, odd })
    }

    /// The path as it was sent, if it has no canonical form.
    pub(crate) fn path_sent(&self) -> &str {
        self.odd.as_ref().map_or(&self.path, |odd| &odd.sent)
    }

    /// The host without its port.
    pub(crate) fn host_name(&self) -> &str {
        host::name(&self.host)
    }
}

/// Traefik calls the scheme of a WebSocket `ws` or `wss`.
fn is_https(scheme: &[u8]) -> Option<bool> {
    match scheme {
        b"http" | b"ws" => Some(false),
        b"https" | b"wss" => Some(true),
        _ => None,
    }
}

/// Path and query of an absolute URI. Clients of forward proxies send those; the authority in it
/// outranks `Host` (RFC 9112 section 3.2.2), so that the two must not differ.
fn origin_form<'a>(uri: &'a [u8], https: bool, host: &str) -> Result<&'a [u8], NotCanonical> {
    let scheme: &[u8] = if https { b"https://" } else { b"http://" };
    let Some(rest) = uri.strip_prefix(scheme) else {
        let absolute = uri.starts_with(b"http://") || uri.starts_with(b"https://");
        let fault = if absolute {
            PathFault::OtherOrigin
        } else if uri.is_empty() {
            PathFault::Empty
        } else {
            PathFault::NotRooted
        };
        return Err(NotCanonical::Path(fault));
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
    match host::canonical(authority, https) {
        Ok(named) if named == host => Ok(path),
        _ => Err(NotCanonical::Path(PathFault::OtherOrigin)),
    }
}

/// Why an original request has no canonical target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCanonical {
    Method(MethodFault),
    /// Neither `http` nor `https`, nor what Traefik calls them for a WebSocket: `ws`, `wss`.
    Scheme,
    Host(HostFault),
    Path(PathFault),
}

impl NotCanonical {
    /// Which part is at fault: `method`, `scheme`, `host` or `path`.
    pub(crate) const fn part(self) -> &'static str {
        match self {
            Self::Method(_) => "method",
            Self::Scheme => "scheme",
            Self::Host(_) => "host",
            Self::Path(_) => "path",
        }
    }

    /// One word for logs and programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Method(fault) => fault.name(),
            Self::Scheme => "unknown_scheme",
            Self::Host(fault) => fault.name(),
            Self::Path(fault) => fault.name(),
        }
    }
}

impl fmt::Display for NotCanonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(fault) => write!(f, "the method {fault}"),
            Self::Scheme => f.write_str("the scheme is neither http nor https"),
            Self::Host(fault) => write!(f, "the host {fault}"),
            Self::Path(fault) => write!(f, "the path {fault}"),
        }
    }
}

#[cfg(test)]
mod tests;
