//! Extractors and responses for axum.
//!
//! - [`Session`] as an argument of a handler: the caller's session, or 401. `Option<Session>`: the
//!   same where nobody need be signed in. The route needs [`auth.layer()`](crate::DidAuth::layer)
//!   or `auth.layer().optional()`; without either the answer is 500.
//! - [`StoreError`] as the error of a handler: 503 with `Retry-After`; 500 for what the store
//!   can never do.
//! - [`Challenge`] as a response: for [bound login](crate::DidAuth::with_bound_login).

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;

use crate::middleware::Anonymous;
use crate::{Challenge, Rejection, Session, StoreError};

/// Why a [`Session`] could not be extracted.
#[derive(Clone, Debug)]
pub struct SessionRejection(Reason);

#[derive(Clone, Debug)]
enum Reason {
    /// The layer let the request pass without a session: it is optional there.
    Unauthenticated(Anonymous),
    /// No layer has seen the request.
    NoLayer,
}

impl IntoResponse for SessionRejection {
    /// 401 with a challenge; 500 if the route has no [`DidLayer`](crate::DidLayer).
    fn into_response(self) -> Response {
        match self.0 {
            Reason::Unauthenticated(anonymous) => {
                anonymous.respond(Rejection::MissingCredentials).map(Body::from)
            }
            Reason::NoLayer => {
                (StatusCode::INTERNAL_SERVER_ERROR, "the route has no DidLayer").into_response()
            }
        }
    }
}

/// The caller's session, or 401.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        extract(parts)?.map_err(|anonymous| SessionRejection(Reason::Unauthenticated(anonymous)))
    }
}

/// The caller's session if there is one.
impl<S: Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        Ok(extract(parts)?.ok())
    }
}

/// A route without the layer is a mistake in the program, never "nobody is signed in".
fn extract(parts: &Parts) -> Result<Result<Session, Anonymous>, SessionRejection> {
    if let Some(session) = parts.extensions.get::<Session>() {
        return Ok(Ok(session.clone()));
    }
    match parts.extensions.get::<Anonymous>() {
        Some(anonymous) => Ok(Err(anonymous.clone())),
        None => Err(SessionRejection(Reason::NoLayer)),
    }
}

impl IntoResponse for Challenge {
    /// As [`Challenge::to_response`].
    fn into_response(self) -> Response {
        self.to_response().map(Body::from)
    }
}

impl IntoResponse for StoreError {
    /// 503, or 500 where coming back is of no use ([`is_permanent`](Self::is_permanent)): so
    /// that handlers can write `session.sign_out().await?`.
    fn into_response(self) -> Response {
        const RETRY_AFTER_SECONDS: &str = "5";
        if self.is_permanent() {
            return (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response();
        }
        let headers = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
        (StatusCode::SERVICE_UNAVAILABLE, headers, self.to_string()).into_response()
    }
}
