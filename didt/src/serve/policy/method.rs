//! The method, as it was sent.

use std::fmt;

use http::Method;

/// The longest registered method has 17 characters (`UPDATEREDIRECTREF`).
pub(crate) const MAX_METHOD_LEN: usize = 32;

/// IANA's HTTP Method Registry, without the two that are not requests (`*`, `PRI`).
const REGISTERED: [&str; 39] = [
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PUT",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "TRACE",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION-CONTROL",
];

/// Reads a method. Methods are case-sensitive (RFC 9110 section 9.1), but not to every reader: one
/// that takes `get` for `GET` would serve what no rule about `GET` has seen.
pub(super) fn canonical(method: &[u8]) -> Result<Method, MethodFault> {
    if method.len() > MAX_METHOD_LEN {
        return Err(MethodFault::TooLong);
    }
    let method = Method::from_bytes(method).map_err(|_| MethodFault::NotAToken)?;
    let same_in_other_case = |known: &&&str| known.eq_ignore_ascii_case(method.as_str());
    match REGISTERED.iter().find(same_in_other_case) {
        Some(known) if *known != method.as_str() => Err(MethodFault::Case),
        _ => Ok(method),
    }
}

/// Reads a method that a rule names: a registered one.
pub(crate) fn registered(text: &str) -> Option<Method> {
    REGISTERED.contains(&text).then(|| text.parse().ok()).flatten()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MethodFault {
    TooLong,
    NotAToken,
    Case,
}

impl MethodFault {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "long_method",
            Self::NotAToken => "malformed_method",
            Self::Case => "method_case",
        }
    }
}

impl fmt::Display for MethodFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "is longer than {MAX_METHOD_LEN} bytes"),
            Self::NotAToken => {
                f.write_str("is empty or has characters that are not allowed in a method")
            }
            Self::Case => f.write_str("is a registered method in the wrong case"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_compared_as_sent_and_known_ones_must_be_in_their_own_case() {
        let rows: [(&str, &[u8], Result<&str, MethodFault>); 10] = [
            ("known", b"GET", Ok("GET")),
            ("of WebDAV", b"PROPFIND", Ok("PROPFIND")),
            ("extension", b"PURGE", Ok("PURGE")),
            ("extension in lower case is another one", b"purge", Ok("purge")),
            ("known in lower case", b"get", Err(MethodFault::Case)),
            ("known in mixed case", b"Delete", Err(MethodFault::Case)),
            ("of WebDAV in lower case", b"propfind", Err(MethodFault::Case)),
            ("empty", b"", Err(MethodFault::NotAToken)),
            ("with a blank", b"GET ", Err(MethodFault::NotAToken)),
            ("8-bit", b"G\xc9T", Err(MethodFault::NotAToken)),
        ];
        for (name, method, expected) in rows {
            let read = canonical(method);
            assert_eq!(read.as_ref().map(Method::as_str), expected.as_ref().copied(), "{name}");
        }
        assert!(canonical(&[b'A'; MAX_METHOD_LEN]).is_ok());
        assert_eq!(canonical(&[b'A'; MAX_METHOD_LEN + 1]), Err(MethodFault::TooLong));
    }

    #[test]
    fn rules_name_registered_methods_alone() {
        assert_eq!(registered("QUERY").as_ref().map(Method::as_str), Some("QUERY"));
        for unknown in ["", "get", "GTE", "*", "PRI"] {
            assert_eq!(registered(unknown), None, "{unknown:?}");
        }
    }
}
