//! Why a check says no although the layer said nothing: one table.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use super::super::auth::UNKNOWN_HOST;
use super::super::denial_reason::FRESH_LOGIN_REQUIRED;
use super::super::policy::NotCanonical;

/// Why a check says no by itself. The client learns a status; the reason is for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// The asking peer is not a trusted proxy, so its statements cannot be believed.
    UntrustedProxy,
    /// The gateway did not state the request that it asks about, or stated a part of it twice.
    NotStated,
    /// The original request's target could be read in two ways.
    NotCanonical(NotCanonical),
    /// No site has the host that the request is for.
    UnknownHost,
    /// Rules about networks decide, none of them is the stricter one, and no trusted proxy says where the
    /// client is.
    ClientUnknown,
    /// The client sent a header that the upstream takes for ours.
    IdentityFromClient,
    /// `Connection` would have a header removed after the check.
    ConnectionNamesHeader,
    /// `Upgrade` to something other than a WebSocket, after which nothing would be checked.
    OtherProtocol,
    /// The rule requires an issuer, and nobody is signed in.
    Nobody,
    /// The rule admits others.
    IssuerNotAllowed,
    /// Magic knows no such user of the application.
    UnknownUser,
    /// Magic has to say who is calling, and has not yet.
    NotYetKnown,
    /// The rule asks for a session younger than this many seconds.
    Stale { max_age: u64 },
    /// Too many tokens of this client were refused: another is looked at in so many seconds.
    TooMany { seconds: u64 },
    /// The assertion could not be signed.
    Unsigned,
}

impl Denial {
    /// For logs, in snake case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::UntrustedProxy => "untrusted_proxy",
            Self::NotStated => "original_request_not_stated",
            Self::NotCanonical(fault) => fault.name(),
            Self::UnknownHost => UNKNOWN_HOST,
            Self::ClientUnknown => "client_address_unknown",
            Self::IdentityFromClient => "identity_from_client",
            Self::ConnectionNamesHeader => "connection_names_header",
            Self::OtherProtocol => "upgrade_not_websocket",
            Self::Nobody => "missing_credentials",
            Self::IssuerNotAllowed => "issuer_not_allowed",
            Self::UnknownUser => "unknown_user",
            Self::NotYetKnown => "magic_unavailable",
            Self::Stale { .. } => FRESH_LOGIN_REQUIRED,
            Self::TooMany { .. } => "rate_limited",
            Self::Unsigned => "assertion_unsigned",
        }
    }

    /// For the client, where it helps an honest one.
    pub(super) const fn reason_for_client(self) -> Option<&'static str> {
        match self {
            Self::Stale { .. } => Some(FRESH_LOGIN_REQUIRED),
            _ => None,
        }
    }

    /// What the operator has to fix, if it is not the client's fault.
    pub(super) const fn mistake(self) -> Option<&'static str> {
        match self {
            Self::UntrustedProxy => {
                Some("refused a check from an address that is not in `trusted_proxies`")
            }
            Self::NotStated => Some(
                "the gateway does not state method, scheme, host and target of the request that it asks about, \
                 each once, or still sends X-Original-URL: refused",
            ),
            Self::ClientUnknown => Some(
                "the gateway does not state the client's address in X-Forwarded-For, or it is in \
                 `trusted_proxies`, and rules about networks depend on it: refused",
            ),
            Self::Unsigned => Some(
                "the assertion could not be signed, or no key of assertion.key_file signs now: refused",
            ),
            _ => None,
        }
    }

    /// The caller is known, and another account might pass.
    pub(super) const fn is_of_account(self) -> bool {
        matches!(self, Self::IssuerNotAllowed | Self::UnknownUser)
    }

    /// The answer, with the reason among its extensions as the layer's own rejections have it.
    pub(super) fn response(self) -> Response<Bytes> {
        let (status, error) = match self {
            Self::Nobody | Self::Stale { .. } => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Unsigned | Self::NotYetKnown => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Self::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::UnknownUser => (StatusCode::FORBIDDEN, "unknown_user"),
            _ => (StatusCode::FORBIDDEN, "forbidden"),
        };
        let mut response = Response::new(Bytes::from(format!("{{\"error\":\"{error}\"}}\n")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Self::TooMany { seconds } = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }

    /// RFC 6750 section 3; for a session that is too old the words of RFC 9470 section 3.
    fn challenge(self) -> Option<HeaderValue> {
        match self {
            Self::Nobody => Some(HeaderValue::from_static("Bearer realm=\"magic\"")),
            Self::Stale { max_age } => HeaderValue::try_from(format!(
                "Bearer realm=\"magic\", error=\"insufficient_user_authentication\", \
                 error_description=\"A more recent sign-in is required\", max_age=\"{max_age}\""
            ))
            .ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::policy::Target;

    /// The operator's mistakes are logged for the operator; the client only gets a status.
    #[test]
    fn the_table_says_what_the_client_and_the_operator_are_told() {
        let path = Target::new(b"GET", b"https", b"example.com", b"/..").expect_err("none");
        let rows = [
            (Denial::UntrustedProxy, "untrusted_proxy", 403, false, true),
            (Denial::NotStated, "original_request_not_stated", 403, false, true),
            (Denial::NotCanonical(path), "dot_segment", 403, false, false),
            (Denial::UnknownHost, "unknown_host", 403, false, false),
            (Denial::ClientUnknown, "client_address_unknown", 403, false, true),
            (Denial::IdentityFromClient, "identity_from_client", 403, false, false),
            (Denial::ConnectionNamesHeader, "connection_names_header", 403, false, false),
            (Denial::OtherProtocol, "upgrade_not_websocket", 403, false, false),
            (Denial::Nobody, "missing_credentials", 401, true, false),
            (Denial::IssuerNotAllowed, "issuer_not_allowed", 403, false, false),
            (Denial::UnknownUser, "unknown_user", 403, false, false),
            (Denial::NotYetKnown, "magic_unavailable", 503, false, false),
            (Denial::Stale { max_age: 600 }, "fresh_login_required", 401, true, false),
            (Denial::TooMany { seconds: 3 }, "rate_limited", 429, false, false),
            (Denial::Unsigned, "assertion_unsigned", 503, false, true),
        ];
        for (denial, name, status, challenge, mistake) in rows {
            let response = denial.response();
            assert_eq!(denial.name(), name);
            assert_eq!(response.status(), status, "{name}");
            assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), challenge, "{name}");
            assert_eq!(denial.mistake().is_some(), mistake, "{name}");
            assert_eq!(response.extensions().get(), Some(&denial), "{name}");
        }
    }
}
