//! The application's say when somebody signs in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Response, StatusCode, Uri};
use serde::Serialize;

use crate::{Issuer, SessionData, VerifiedClaim};

/// Somebody presents a valid token: what the application's hook gets to see.
///
/// Look the user up by [`issuer`](Self::issuer) and by nothing else.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use tower_didt::{DidAuth, Issuer, Login, Refusal, Verifier};
///
/// // In place of a table; a database works alike, and is awaited.
/// let users: Arc<HashMap<Issuer, u64>> = Arc::default();
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_on_login(
///     move |login: Login| {
///         let user = users.get(&login.issuer()).copied();
///         // `Session::data` reads it back; without a user, 403.
///         async move { user.ok_or_else(Refusal::forbidden) }
///     },
/// );
/// ```
pub struct Login {
    claim: VerifiedClaim,
    request: Parts,
}

impl Login {
    pub(super) fn new(claim: VerifiedClaim, request: Parts) -> Self {
        Self { claim, request }
    }

    /// Who signs in.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.claim.issuer()
    }

    /// The verified token.
    #[must_use]
    pub const fn claim(&self) -> &VerifiedClaim {
        &self.claim
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.request.method
    }

    /// The request's target.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.request.uri
    }

    /// The request's headers, credentials included: keep them out of logs.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.request.headers
    }

    /// The request's extensions, such as the client's address.
    #[must_use]
    pub const fn extensions(&self) -> &Extensions {
        &self.request.extensions
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}

/// The application does not let somebody in, or cannot tell.
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_didt::Refusal;
///
/// let unpaid = Response::builder()
///     .status(StatusCode::PAYMENT_REQUIRED)
///     .body("your subscription has ended".into())?;
/// let refusal = Refusal::response(unpaid);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Refusal(Box<Response<Bytes>>);

impl Refusal {
    /// Not this user: 403 with an empty body.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::status(StatusCode::FORBIDDEN)
    }

    /// Cannot tell right now, for instance because the database is down: 503.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::status(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// A response of the application's own.
    #[must_use]
    pub fn response(response: Response<Bytes>) -> Self {
        Self(Box::new(response))
    }

    pub(super) fn as_response(&self) -> &Response<Bytes> {
        &self.0
    }

    fn status(status: StatusCode) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        Self::response(response)
    }
}

impl From<Response<Bytes>> for Refusal {
    fn from(response: Response<Bytes>) -> Self {
        Self::response(response)
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<SessionData, LoginError>> + Send>>;

/// Why a hook let nobody in.
pub(super) enum LoginError {
    Refused(Refusal),
    /// What it attached has no JSON form.
    Data(serde_json::Error),
}

/// The application's hook.
#[derive(Clone)]
pub(super) struct LoginHook(Arc<dyn Fn(Login) -> Answer + Send + Sync>);

impl LoginHook {
    pub(super) fn new<F, Fut, D>(hook: F) -> Self
    where
        F: Fn(Login) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        Self(Arc::new(move |login| {
            let answer = hook(login);
            Box::pin(async move {
                let data = answer.await.map_err(LoginError::Refused)?;
                SessionData::new(&data).map_err(LoginError::Data)
            })
        }))
    }

    pub(super) fn call(&self, login: Login) -> Answer {
        (self.0)(login)
    }
}

impl fmt::Debug for LoginHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginHook")
    }
}
