//! Why a request does not pass, and how it is answered: one table.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use super::{BindingFault, DataError, Refusal, UnreadableData};
use crate::did::TokenError;
use crate::session::{SessionExpired, StoreError};

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
    /// The token's issuer signed out everywhere after the token was issued or first presented.
    TokenRevoked,
    /// A token of the same issuer that was issued later has been accepted, and only
    /// the newest is good.
    TokenSuperseded,
    /// The token was not made for this browser, as signing in requires.
    UnboundLogin(BindingFault),
    /// The cookie belongs to no session: it was revoked, forgotten or never made here.
    UnknownSession,
    /// The cookie's session ended by itself.
    SessionExpired(SessionExpired),
    /// A page of another origin caused the request.
    CrossOrigin,
    /// The application's own hook refused, or could not decide.
    Refused(Arc<Refusal>),
    /// Magic knows no user of this application with the token's issuer: the key is made up.
    #[cfg(feature = "magic")]
    NoSuchUser,
    /// Magic has to say who signs in, and cannot be asked.
    #[cfg(feature = "magic")]
    MagicUnavailable(Arc<crate::magic::MagicError>),
    /// A handler asks who is signed in, and Magic has not answered yet.
    #[cfg(feature = "magic")]
    NoProfile,
    /// The store could not answer. Nothing is known about the credentials.
    StoreUnavailable(Arc<StoreError>),
    /// The store cannot do what it was asked, now or later: the session's data is
    /// too large for it, or the layer's settings ask for what it does not offer.
    StoreUnsuited(Arc<StoreError>),
    /// The application's hook attached something that has no JSON form.
    UnusableSessionData(Arc<serde_json::Error>),
    /// A handler or guard expects another form of data than the session has.
    UnreadableData(UnreadableData),
    /// A handler could not change the session's data, since another request has changed it in the
    /// meantime.
    DataConflict,
    /// Somebody is signed in who may not do this: a [`Guard`](crate::Guard) said so.
    NotPermitted,
    /// A handler asked for the session on a route that has no layer: a mistake in the program.
    NoLayer,
}

/// What a client is shown of a rejection.
pub(super) struct Shown {
    pub(super) status: StatusCode,
    /// Value of `error` in the body, for people and programs.
    pub(super) error: &'static str,
    /// Value of `error` in the challenge (RFC 6750 section 3.1). None where no bearer
    /// token was sent, as the RFC asks.
    pub(super) challenge: Option<&'static str>,
    /// Status of a gRPC response.
    pub(super) grpc: u8,
}

impl Rejection {
    /// The table: reason to status, words and gRPC code.
    pub(super) fn shown(&self) -> Shown {
        const UNAUTHORIZED: Shown = Shown {
            status: StatusCode::UNAUTHORIZED,
            error: "unauthorized",
            challenge: None,
            grpc: 16, // UNAUTHENTICATED
        };
        const INVALID_TOKEN: Shown =
            Shown { error: "invalid_token", challenge: Some("invalid_token"), ..UNAUTHORIZED };
        const UNAVAILABLE: Shown = Shown {
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
            | Self::TokenRevoked
            | Self::TokenSuperseded
            | Self::UnboundLogin(_) => INVALID_TOKEN,
            Self::AmbiguousCredentials => Shown {
                status: StatusCode::BAD_REQUEST,
                error: "invalid_request",
                challenge: Some("invalid_request"),
                grpc: 3, // INVALID_ARGUMENT
            },
            Self::Refused(refusal) if refusal.is_unavailable() => UNAVAILABLE,
            Self::CrossOrigin | Self::Refused(_) | Self::NotPermitted => Shown {
                status: StatusCode::FORBIDDEN,
                error: "forbidden",
                challenge: None,
                grpc: 7, // PERMISSION_DENIED
            },
            #[cfg(feature = "magic")]
            Self::NoSuchUser => Shown {
                status: StatusCode::FORBIDDEN,
                error: "unknown_user",
                challenge: None,
                grpc: 7, // PERMISSION_DENIED
            },
            #[cfg(feature = "magic")]
            Self::MagicUnavailable(_) | Self::NoProfile => UNAVAILABLE,
            Self::StoreUnavailable(_) => UNAVAILABLE,
            Self::DataConflict => Shown {
                status: StatusCode::CONFLICT,
                error: "conflict",
                challenge: None,
                grpc: 10, // ABORTED
            },
            Self::StoreUnsuited(_)
            | Self::UnusableSessionData(_)
            | Self::UnreadableData(_)
            | Self::NoLayer => Shown {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                error: "server_error",
                challenge: None,
                grpc: 13, // INTERNAL
            },
        }
    }

    /// The status that the client gets, unless the
    /// [rejection handler](crate::DidAuth::with_rejection_handler) changes it.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(refusal) => refusal.status(),
            _ => self.shown().status,
        }
    }

    /// A short name for logs and metrics, in snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MissingCredentials => "missing_credentials",
            Self::AmbiguousCredentials => "ambiguous_credentials",
            Self::InvalidToken(error) => error.name(),
            Self::TokenUsed => "token_used",
            Self::TokenRevoked => "token_revoked",
            Self::TokenSuperseded => "token_superseded",
            Self::UnboundLogin(_) => "unbound_login",
            Self::UnknownSession => "unknown_session",
            Self::SessionExpired(_) => "session_expired",
            Self::CrossOrigin => "cross_origin",
            Self::Refused(refusal) if refusal.is_unavailable() => "application_unavailable",
            Self::Refused(_) => "refused",
            #[cfg(feature = "magic")]
            Self::NoSuchUser => "unknown_user",
            #[cfg(feature = "magic")]
            Self::MagicUnavailable(_) => "magic_unavailable",
            #[cfg(feature = "magic")]
            Self::NoProfile => "no_profile",
            Self::StoreUnavailable(_) => "store_unavailable",
            Self::StoreUnsuited(_) => "store_unsuited",
            Self::UnusableSessionData(_) => "unusable_session_data",
            Self::UnreadableData(_) => "unreadable_session_data",
            Self::DataConflict => "data_conflict",
            Self::NotPermitted => "not_permitted",
            Self::NoLayer => "no_layer",
        }
    }

    /// Why a token is refused, where it helps an honest client and no attacker: its times do not
    /// fit the server's clock. `expired` and `too_old` call for a new token, `not_yet_valid` for a
    /// look at the device's clock. In the body of the answer as `reason`.
    #[must_use]
    pub const fn reason_for_client(&self) -> Option<&'static str> {
        match self {
            Self::InvalidToken(
                error @ (TokenError::Expired { .. }
                | TokenError::TooOld { .. }
                | TokenError::NotYetValid { .. }),
            ) => Some(error.name()),
            _ => None,
        }
    }

    /// Whether the request came without a session: it brought no credentials, or only the cookie of
    /// a session that has ended. Signing in helps, so this is where a page is sent to do so.
    #[must_use]
    pub const fn lacks_session(&self) -> bool {
        matches!(self, Self::MissingCredentials | Self::UnknownSession | Self::SessionExpired(_))
    }

    /// How long to wait, if the service that was asked said so.
    pub(super) fn retry_after(&self) -> Option<std::time::Duration> {
        #[cfg(feature = "magic")]
        if let Self::MagicUnavailable(error) = self
            && let crate::magic::MagicError::RateLimited { retry_after } = &**error
        {
            return *retry_after;
        }
        None
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
            Self::TokenRevoked => f.write_str("the token's issuer has signed out everywhere since"),
            Self::TokenSuperseded => f.write_str("a newer token was accepted before"),
            Self::UnboundLogin(unbound) => unbound.fmt(f),
            Self::UnknownSession => f.write_str("the cookie belongs to no session"),
            Self::SessionExpired(expired) => expired.fmt(f),
            Self::CrossOrigin => f.write_str("a page of another origin caused the request"),
            Self::Refused(refusal) if refusal.is_unavailable() => {
                f.write_str("the application could not decide")
            }
            Self::Refused(_) => f.write_str("the application refused"),
            #[cfg(feature = "magic")]
            Self::NoSuchUser => f.write_str("Magic knows no such user of this application"),
            #[cfg(feature = "magic")]
            Self::MagicUnavailable(error) => error.fmt(f),
            #[cfg(feature = "magic")]
            Self::NoProfile => f.write_str("Magic has not said yet who is signed in"),
            Self::StoreUnavailable(error) | Self::StoreUnsuited(error) => error.fmt(f),
            Self::UnusableSessionData(_) => f.write_str("the session's data has no JSON form"),
            Self::UnreadableData(error) => error.fmt(f),
            Self::DataConflict => f.write_str("another request has changed the session's data"),
            Self::NotPermitted => f.write_str("whoever is signed in may not do this"),
            Self::NoLayer => f.write_str("the route has no DidLayer"),
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
            Self::UnreadableData(error) => Some(error),
            #[cfg(feature = "magic")]
            Self::MagicUnavailable(error) => Some(error),
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

impl From<UnreadableData> for Rejection {
    fn from(error: UnreadableData) -> Self {
        Self::UnreadableData(error)
    }
}

impl From<DataError> for Rejection {
    fn from(error: DataError) -> Self {
        match error {
            // Signing in helps.
            DataError::NoSession | DataError::Ended => Self::UnknownSession,
            // Nobody receives the second one.
            DataError::Conflict | DataError::ResponseSent => Self::DataConflict,
            DataError::NotJson(error) => Self::UnusableSessionData(Arc::new(error)),
            DataError::Unreadable(error) => error.into(),
            DataError::Store(error) => error.into(),
        }
    }
}
