//! Client headers that mean one thing to us and another to a program further on.

use http::header::{AUTHORIZATION, CONNECTION, COOKIE, UPGRADE};
use http::{HeaderMap, HeaderName};

use super::super::config::IdentityHeaders;
use super::denial::Denial;

/// Refuses a request with headers that could pass for ours at the upstream, or that have a proxy
/// drop a header on the way, or lead past all later checks.
///
/// - A client that sends an identity header, under its name or one that some servers take for it
///   (`X_Auth_Issuer`, `X.Auth.Issuer`, any case). A gateway that is set up well overwrites the
///   former; no gateway overwrites the latter.
/// - `Connection` that names an identity header or a credential: proxies remove what it names
///   (RFC 9110 section 7.6.1), after the check.
/// - An upgrade to anything but a WebSocket. A gateway that passes `h2c` on hands the client a
///   tunnel to an upstream that takes it: HTTP/2 in it, requests that nobody is asked about and
///   identity headers of the client's own. `HTTP2-Settings` comes with that upgrade alone (RFC 7540
///   section 3.2.1), and tells of it where the gateway hides `Upgrade`.
pub(super) fn check(headers: &HeaderMap, identity: &IdentityHeaders) -> Result<(), Denial> {
    let is_identity = |name: &[u8]| identity.all().iter().any(|ours| looks_like(name, ours));
    if headers.keys().any(|name| is_identity(name.as_str().as_bytes())) {
        return Err(Denial::IdentityFromClient);
    }
    let protected = |name: &[u8]| {
        is_identity(name) || looks_like(name, &AUTHORIZATION) || looks_like(name, &COOKIE)
    };
    if listed(headers, &CONNECTION).any(protected) {
        return Err(Denial::ConnectionNamesHeader);
    }
    let mut protocols = listed(headers, &UPGRADE);
    if protocols.any(|protocol| !protocol.eq_ignore_ascii_case(b"websocket"))
        || headers.contains_key("http2-settings")
    {
        return Err(Denial::OtherProtocol);
    }
    Ok(())
}

/// The members of a header that is a list (RFC 9110 section 5.6.1).
fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let values = headers.get_all(name).iter();
    let members = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}

/// Whether some server might read `name` as `ours`: CGI and its heirs make `_` of every `-`, some
/// of every `.`, lighttpd of whatever is no letter and no digit, and none minds the case.
fn looks_like(name: &[u8], ours: &HeaderName) -> bool {
    let fold = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => byte.to_ascii_lowercase(),
        _ => b'-',
    };
    let ours = ours.as_str().as_bytes();
    name.len() == ours.len() && name.iter().zip(ours).all(|(a, b)| fold(*a) == fold(*b))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn screened(name: &'static str, value: &'static str) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_static(value));
        check(&headers, &IdentityHeaders::default()).map_err(Denial::name)
    }

    /// CVE-2025-64484, CVE-2026-33433, GHSA-f59h-q822-g45g.
    #[test]
    fn look_alikes_of_identity_headers_are_refused() {
        for name in [
            "x-auth-issuer",
            "x_auth_issuer",
            "x.auth.issuer",
            "x-auth_address",
            "x_auth.session",
            "x!auth!issuer",
            "x~auth+issuer",
            "x-auth|assertion",
        ] {
            assert_eq!(screened(name, "v"), Err("identity_from_client"), "{name}");
        }
        for name in
            ["x-auth-issuer2", "x-auth-user", "xauthissuer", "authorization", "x--auth-issuer"]
        {
            assert_eq!(screened(name, "v"), Ok(()), "{name}");
        }
    }

    /// GHSA-w9mr-28mw-j8hg, GHSA-62c8-mh53-4cqv, CVE-2025-48865.
    #[test]
    fn connection_must_not_name_what_the_upstream_relies_on() {
        for value in
            ["X-Auth-Issuer", "close, x_auth_issuer", "keep-alive,\tCookie", "AUTHORIZATION "]
        {
            assert_eq!(screened("connection", value), Err("connection_names_header"), "{value}");
        }
        for value in ["close", "keep-alive, Upgrade", "", "x-auth", ", ,"] {
            assert_eq!(screened("connection", value), Ok(()), "{value}");
        }
    }

    /// "h2c smuggling": after the switch the client's requests are nobody's to check.
    #[test]
    fn a_websocket_is_the_only_upgrade() {
        for value in ["h2c", "H2C", "h2", "HTTP/2.0", "TLS/1.2", "websocket, h2c", "h2c,websocket"]
        {
            assert_eq!(screened("upgrade", value), Err("upgrade_not_websocket"), "{value}");
        }
        assert_eq!(screened("http2-settings", "AAMAAABk"), Err("upgrade_not_websocket"));
        for value in ["websocket", "WebSocket", " websocket ,", ""] {
            assert_eq!(screened("upgrade", value), Ok(()), "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.append(UPGRADE, HeaderValue::from_static("websocket"));
        headers.append(UPGRADE, HeaderValue::from_static("h2c"));
        assert_eq!(check(&headers, &IdentityHeaders::default()), Err(Denial::OtherProtocol));
    }

    #[test]
    fn names_of_the_operators_own_choice_are_guarded_alike() {
        let identity = IdentityHeaders {
            issuer: HeaderName::from_static("remote-user"),
            ..IdentityHeaders::default()
        };
        let mut headers = HeaderMap::new();
        headers.append("remote_user", HeaderValue::from_static("v"));
        assert!(check(&headers, &identity).is_err());
        assert!(check(&headers, &IdentityHeaders::default()).is_ok());
    }
}
