//! Why a request does not pass, and what its sender is told: one table.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::{Refusal, Unbound};
use crate::{SessionExpired, StoreError, TokenError};

/// Why a request does not pass.
///
/// The client learns the status and RFC 6750's words; the reason itself is for
/// operators: the layer puts it into the response's extensions and into traces, and
/// into the body only with [`with_debug_reasons`](super::DidAuth::with_debug_reasons).
///
/// Middleware further out reads it there, for instance to count who tries what:
///
/// ```
/// use http::Response;
/// use tower_didt::Rejection;
///
/// fn note<B>(response: &Response<B>) {
///     if let Some(rejection) = response.extensions().get::<Rejection>() {
///         eprintln!("{} {}: {rejection}", response.status(), rejection.name());
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Rejection {
    /// No credentials were sent, and the route requires them.
    MissingCredentials,
    /// Credentials were sent twice, or several joined by a comma.
    AmbiguousCredentials,
    /// The bearer token is not acceptable.
    InvalidToken(TokenError),
    /// The bearer token was used before, and each is good for one use.
    TokenUsed,
    /// A token of the same issuer that was issued later has been accepted, and only
    /// the newest is good.
    TokenSuperseded,
    /// The token was not made for this browser, and signing in takes one that was.
    UnboundLogin(Unbound),
    /// The cookie belongs to no session: it was revoked, forgotten or never made here.
    UnknownSession,
    /// The cookie's session ended by itself.
    SessionExpired(SessionExpired),
    /// A page of another origin caused the request.
    CrossOrigin,
    /// The application's own hook refused.
    Refused(Refusal),
    /// The store could not answer. Nothing is known about the credentials.
    StoreUnavailable(Arc<StoreError>),
    /// The store cannot do what it was asked, now or later: the session's data is
    /// too large for it, or the layer's settings ask for what it does not offer.
    StoreUnsuited(Arc<StoreError>),
    /// The application's hook attached something that has no JSON form.
    UnusableSessionData(Arc<serde_json::Error>),
}

/// What a rejection looks like from outside.
struct Outside {
    status: StatusCode,
    /// Value of `error` in the body, for people and programs.
    error: &'static str,
    /// Value of `error` in the challenge (RFC 6750 section 3.1). None where no bearer
    /// token was sent, as the RFC asks.
    challenge: Option<&'static str>,
    /// Status of a gRPC response.
    grpc: u8,
}

impl Rejection {
    /// The table: reason to status, words and gRPC code.
    fn outside(&self) -> Outside {
        const UNAUTHORIZED: Outside = Outside {
            status: StatusCode::UNAUTHORIZED,
            error: "unauthorized",
            challenge: None,
            grpc: 16, // UNAUTHENTICATED
        };
        const INVALID_TOKEN: Outside =
            Outside { error: "invalid_token", challenge: Some("invalid_token"), ..UNAUTHORIZED };
        const UNAVAILABLE: Outside = Outside {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            challenge: None,
            grpc: 14, // UNAVAILABLE
        };
        match self {
            Self::MissingCredentials | Self::UnknownSession | Self::SessionExpired(_) => {
                UNAUTHORIZED
            }
            Self::InvalidToken(_)
            | Self::TokenUsed
            | Self::TokenSuperseded
            | Self::UnboundLogin(_) => INVALID_TOKEN,
            Self::AmbiguousCredentials => Outside {
                status: StatusCode::BAD_REQUEST,
                error: "invalid_request",
                challenge: Some("invalid_request"),
                grpc: 3, // INVALID_ARGUMENT
            },
            // The application cannot tell, as `Refusal::unavailable` says.
            Self::Refused(refusal)
                if refusal.as_response().status() == StatusCode::SERVICE_UNAVAILABLE =>
            {
                UNAVAILABLE
            }
            Self::CrossOrigin | Self::Refused(_) => Outside {
                status: StatusCode::FORBIDDEN,
                error: "forbidden",
                challenge: None,
                grpc: 7, // PERMISSION_DENIED
            },
            Self::StoreUnavailable(_) => UNAVAILABLE,
            Self::StoreUnsuited(_) | Self::UnusableSessionData(_) => Outside {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                challenge: None,
                grpc: 13, // INTERNAL
            },
        }
    }

    /// The status that the client gets, unless a [`RejectionHandler`] says otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.as_response().status(),
            _ => self.outside().status,
        }
    }

    /// A short name for logs and metrics, in snake case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::MissingCredentials => "missing_credentials",
            Self::AmbiguousCredentials => "ambiguous_credentials",
            Self::InvalidToken(error) => error.name(),
            Self::TokenUsed => "token_used",
            Self::TokenSuperseded => "token_superseded",
            Self::UnboundLogin(_) => "unbound_login",
            Self::UnknownSession => "unknown_session",
            Self::SessionExpired(_) => "session_expired",
            Self::CrossOrigin => "cross_origin",
            Self::Refused(_) => "refused",
            Self::StoreUnavailable(_) => "store_unavailable",
            Self::StoreUnsuited(_) => "store_unsuited",
            Self::UnusableSessionData(_) => "unusable_session_data",
        }
    }

    /// Whether the cookie that the request carried is good for nothing any more.
    pub(super) const fn spoils_cookie(&self) -> bool {
        matches!(self, Self::UnknownSession | Self::SessionExpired(_))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingCredentials => f.write_str("no credentials were sent"),
            Self::AmbiguousCredentials => f.write_str("credentials were sent more than once"),
            Self::InvalidToken(error) => error.fmt(f),
            Self::TokenUsed => f.write_str("the token was used before"),
            Self::TokenSuperseded => f.write_str("a newer token was accepted before"),
            Self::UnboundLogin(unbound) => unbound.fmt(f),
            Self::UnknownSession => f.write_str("the cookie belongs to no session"),
            Self::SessionExpired(expired) => expired.fmt(f),
            Self::CrossOrigin => f.write_str("a page of another origin caused the request"),
            Self::Refused(_) => f.write_str("the application refused"),
            Self::StoreUnavailable(error) | Self::StoreUnsuited(error) => error.fmt(f),
            Self::UnusableSessionData(_) => f.write_str("the session's data has no JSON form"),
        }
    }
}

impl std::error::Error for Rejection {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InvalidToken(error) => Some(error),
            Self::SessionExpired(expired) => Some(expired),
            Self::StoreUnavailable(error) | Self::StoreUnsuited(error) => Some(error),
            Self::UnusableSessionData(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TokenError> for Rejection {
    fn from(error: TokenError) -> Self {
        Self::InvalidToken(error)
    }
}

impl From<StoreError> for Rejection {
    fn from(error: StoreError) -> Self {
        let permanent = error.is_permanent();
        let error = Arc::new(error);
        if permanent { Self::StoreUnsuited(error) } else { Self::StoreUnavailable(error) }
    }
}

impl From<SessionExpired> for Rejection {
    fn from(expired: SessionExpired) -> Self {
        Self::SessionExpired(expired)
    }
}

/// Writes the response to a rejected request in the application's own way.
///
/// Given the response that the layer would send, to change or replace. A `401`
/// gets the layer's `WWW-Authenticate` if it has none afterwards (RFC 9110
/// section 11.6.1), and no rejection may end up cached.
pub type RejectionHandler =
    Arc<dyn Fn(&Rejection, Response<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Writes the responses to rejected requests.
#[derive(Clone)]
pub(super) struct Responder {
    pub(super) realm: Box<str>,
    pub(super) retry_after: Duration,
    pub(super) grpc: bool,
    /// Tells the client the reason too. For development.
    pub(super) debug_reasons: bool,
    pub(super) handler: Option<RejectionHandler>,
}

impl Responder {
    pub(super) fn respond(&self, rejection: Rejection) -> Response<Bytes> {
        let mut response = match &rejection {
            Rejection::Refused(refusal) if !self.grpc => refusal.as_response().clone(),
            _ if self.grpc => grpc_response(&rejection, self.debug_reasons),
            _ => http_response(&rejection, self.debug_reasons),
        };
        self.add_headers(&rejection, response.headers_mut());
        if let Some(handler) = &self.handler {
            response = handler(&rejection, response);
        }
        if response.status() == StatusCode::UNAUTHORIZED
            && !response.headers().contains_key(WWW_AUTHENTICATE)
        {
            self.add_challenge(&rejection, response.headers_mut());
        }
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(rejection);
        response
    }

    fn add_headers(&self, rejection: &Rejection, headers: &mut HeaderMap) {
        let outside = rejection.outside();
        if outside.status == StatusCode::UNAUTHORIZED || outside.challenge.is_some() {
            self.add_challenge(rejection, headers);
        }
        if rejection.status() == StatusCode::SERVICE_UNAVAILABLE
            && !headers.contains_key(RETRY_AFTER)
        {
            headers.insert(RETRY_AFTER, self.retry_after.as_secs().max(1).into());
        }
    }

    /// RFC 6750 section 3: at least one parameter, `error` only for a bearer token.
    fn add_challenge(&self, rejection: &Rejection, headers: &mut HeaderMap) {
        let mut challenge = format!("Bearer realm=\"{}\"", self.realm);
        if let Some(error) = rejection.outside().challenge {
            challenge.push_str(&format!(", error=\"{error}\""));
        }
        if let Ok(value) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("realm", &self.realm)
            .field("retry_after", &self.retry_after)
            .field("grpc", &self.grpc)
            .field("debug_reasons", &self.debug_reasons)
            .finish_non_exhaustive()
    }
}

/// `{"error":"…"}` and the status. A reason may quote the token: it goes through JSON.
fn http_response(rejection: &Rejection, debug_reasons: bool) -> Response<Bytes> {
    let Outside { status, error, .. } = rejection.outside();
    let body = if debug_reasons {
        let (reason, description) = (rejection.name(), rejection.to_string());
        serde_json::json!({ "error": error, "reason": reason, "error_description": description })
            .to_string()
    } else {
        format!("{{\"error\":\"{error}\"}}")
    };
    let mut response = Response::new(Bytes::from(body + "\n"));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A gRPC response without messages: status in the headers, HTTP status 200.
fn grpc_response(rejection: &Rejection, debug_reasons: bool) -> Response<Bytes> {
    let Outside { error, grpc, .. } = rejection.outside();
    let message = if debug_reasons { rejection.name() } else { error };
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", u16::from(grpc).into());
    headers.insert("grpc-message", HeaderValue::from_static(message));
    response
}
