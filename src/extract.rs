//! Extractors and responses for axum.
//!
//! - [`Session`] as an argument of a handler: the caller's session, or 401. `Option<Session>`: the
//!   same where nobody need be signed in. The route needs [`auth.layer()`](crate::DidAuth::layer)
//!   or `auth.layer().optional()`; without either the answer is 500.
//! - [`Data`] as an argument of a handler: what is attached to the session, as a type of the
//!   application's; 401 without a session, 500 if it has another form. `Option<Data<T>>`: the same
//!   where nobody need be signed in, and nothing need be attached.
//! - [`Require`] as an argument of a handler: a session that a [`Guard`] permits.
//! - `MagicUser` (feature `magic`) as an argument of a handler: who that is by Magic's word; 401
//!   without a session, 503 where Magic has not said yet. `Option<MagicUser>`: the same where it
//!   may be missing. The route needs a layer of a [`DidAuth`](crate::DidAuth) with `with_magic`.
//! - [`StoreError`] as the error of a handler: 503 with `Retry-After`; 500 for what the store
//!   can never do. [`Rejection`] likewise. Both are written by the layer around the handler, and so
//!   by its [rejection handler](crate::DidAuth::with_rejection_handler).
//! - Anything that is `IntoResponse` as an [`Answer`] of a rejection handler, or as a
//!   [`Refusal`](crate::Refusal) of a hook, also by `?`.
//! - [`Challenge`] as a response: for [bound login](crate::DidAuth::with_bound_login).

use std::marker::PhantomData;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

#[cfg(feature = "magic")]
use crate::magic::MagicUser;
use crate::middleware::{Anonymous, Answer, Challenge, DataError, Guard, Rejection, Session};
use crate::session::StoreError;

/// Why a [`Session`] could not be extracted.
#[derive(Debug)]
pub struct SessionRejection(Box<Answer>);

impl SessionRejection {
    /// No layer has seen the request: a mistake in the program.
    fn no_layer() -> Self {
        Self::of(Rejection::NoLayer)
    }

    /// The layer around the handler writes it.
    fn of(rejection: Rejection) -> Self {
        Self(Box::new(rejection.into_answer()))
    }
}

impl IntoResponse for SessionRejection {
    /// 401 with a challenge, written as every rejection of the layer; 500 if the route has no
    /// [`DidLayer`](crate::DidLayer).
    fn into_response(self) -> Response {
        self.0.into_response().map(Body::new)
    }
}

/// The caller's session, or 401.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        require(parts)
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

/// The session, or the answer to a request that has none.
fn require(parts: &Parts) -> Result<Session, SessionRejection> {
    extract(parts)?.map_err(|anonymous| {
        SessionRejection(Box::new(anonymous.respond(Rejection::MissingCredentials, parts)))
    })
}

/// A route without the layer is a bug in the program. It is never reported as "nobody is signed
/// in".
fn extract(parts: &Parts) -> Result<Result<Session, Anonymous>, SessionRejection> {
    if let Some(session) = parts.extensions.get::<Session>() {
        return Ok(Ok(session.clone()));
    }
    match parts.extensions.get::<Anonymous>() {
        Some(anonymous) => Ok(Err(anonymous.clone())),
        None => Err(SessionRejection::no_layer()),
    }
}

/// Who that is by Magic's word, or 401 without a session, or 503 where Magic has not said so yet.
#[cfg(feature = "magic")]
impl<S: Sync> FromRequestParts<S> for MagicUser {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let session = require(parts)?;
        match parts.extensions.get::<Self>() {
            Some(user) => Ok(user.clone()),
            None if session.is_looked_up() => Err(SessionRejection::of(Rejection::NoProfile)),
            None => Err(SessionRejection::no_layer()),
        }
    }
}

/// Who that is by Magic's word, if there is a session and Magic has said so.
#[cfg(feature = "magic")]
impl<S: Sync> OptionalFromRequestParts<S> for MagicUser {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        match extract(parts)? {
            Ok(session) if !session.is_looked_up() => Err(SessionRejection::no_layer()),
            _ => Ok(parts.extensions.get::<Self>().cloned()),
        }
    }
}

/// What is attached to the session, read as `T`: by the
/// [hook](crate::DidAuth::with_on_sign_in), or by a later [change](Session::modify_data).
///
/// As an extractor it answers 401 without a session, as [`Session`] does, and 500 if the data has
/// another form: the [rejection](Rejection::UnreadableData) names the type, and quotes nothing of the
/// data. Where data may be missing, `Data<Option<User>>` requires a session, and
/// `Option<Data<User>>` does not.
///
/// ```
/// use tower_didt::Data;
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn hello(Data(user): Data<User>) -> String {
///     format!("hello, {}", user.name)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Data<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Data<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let data = require(parts)?.require_data();
        data.map(Self).map_err(|error| SessionRejection::of(error.into()))
    }
}

/// What is attached, if there is a session and something is.
impl<S: Sync, T: DeserializeOwned> OptionalFromRequestParts<S> for Data<T> {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _state: &S,
    ) -> Result<Option<Self>, Self::Rejection> {
        let Ok(session) = extract(parts)? else { return Ok(None) };
        let data = session.require_data::<Option<T>>();
        let data = data.map_err(|error| SessionRejection::of(error.into()))?;
        Ok(data.map(Self))
    }
}

/// What [`Require`] asks for: a name for a guard, so that a handler's arguments can say it.
///
/// ```
/// use tower_didt::extract::{Require, Requirement};
/// use tower_didt::Guard;
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     is_admin: bool,
/// }
///
/// struct Admins;
///
/// impl Requirement for Admins {
///     fn guard() -> Guard {
///         Guard::data(|user: &User| user.is_admin)
///     }
/// }
///
/// async fn statistics(admin: Require<Admins>) -> String {
///     format!("hello, {}", admin.session.address())
/// }
/// ```
pub trait Requirement {
    /// The guard.
    fn guard() -> Guard;
}

/// A session that a guard permits. As an extractor it answers as [`Guard::layer`] does: 401 where
/// nobody is signed in, 403 where somebody else is, 500 where the route has no layer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Require<R> {
    /// Who is calling.
    pub session: Session,
    requirement: PhantomData<fn() -> R>,
}

impl<R: Requirement> Require<R> {
    /// The session, if the guard permits it: for tests that call a handler as a function.
    ///
    /// # Errors
    ///
    /// Why the extractor would have refused it.
    pub fn of(session: Session) -> Result<Self, Rejection> {
        R::guard().check(&session)?;
        Ok(Self { session, requirement: PhantomData })
    }
}

impl<S: Sync, R: Requirement> FromRequestParts<S> for Require<R> {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Self::of(require(parts)?).map_err(SessionRejection::of)
    }
}

impl IntoResponse for Challenge {
    /// As [`Challenge::to_response`].
    fn into_response(self) -> Response {
        self.to_response().map(Body::from)
    }
}

impl IntoResponse for Rejection {
    /// As [`Rejection::into_answer`]: the layer around the handler writes the response.
    fn into_response(self) -> Response {
        self.into_answer().into_response().map(Body::new)
    }
}

impl IntoResponse for StoreError {
    /// 503, or 500 where coming back is of no use ([`is_permanent`](Self::is_permanent)): so
    /// that handlers can write `session.sign_out().await?`. The layer around the handler writes the
    /// response, as that to any [`Rejection`].
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}

impl IntoResponse for DataError {
    /// 409 for a conflict, 401 where there is no session any more, and else as [`StoreError`].
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}
