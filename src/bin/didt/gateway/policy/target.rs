//! The original request's target, in the one form that rules are matched on.

use http::Method;

/// Method, scheme, host and path of the original request.
///
/// The query and the fragment take no part. A path that two readers could take for different ones
/// (`..`, `%2e`, `//`, `#`, 8-bit bytes) makes no target: the request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) method: Method,
    pub(crate) https: bool,
    /// Lower case, with the port only if it is not the scheme's own.
    pub(crate) host: String,
    pub(crate) path: String,
}

/// Why an original request has no canonical target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotCanonical {
    Method,
    Scheme,
    Host,
    Path,
}

impl Target {
    /// Reads what a gateway tells: `uri` is the request target as the client sent it, path and query.
    pub(crate) fn new(
        _method: &[u8],
        _scheme: &[u8],
        _host: &[u8],
        _uri: &[u8],
    ) -> Result<Self, NotCanonical> {
        Err(NotCanonical::Path)
    }
}
