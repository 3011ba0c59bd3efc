//! The application's decision when someone signs in.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};
use serde::Serialize;

use super::Refusal;
use super::people::Person;
use super::remember::HooksChoice;
use crate::did::{Issuer, VerifiedClaim};
use crate::session::SessionData;

/// Someone signs in with a valid token: the facts for the application's hook.
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
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_on_sign_in(
///     move |login: Login| {
///         let user = users.get(&login.issuer()).copied();
///         // `Session::data` reads it back; without a user, 403.
///         async move { user.ok_or_else(Refusal::forbidden) }
///     },
/// );
/// ```
#[derive(Clone)]
pub struct Login {
    claim: VerifiedClaim,
    request: Parts,
    #[cfg_attr(not(feature = "magic"), allow(dead_code, reason = "read where Magic is asked"))]
    person: Person,
    asks_to_be_remembered: bool,
    hooks_choice: Arc<HooksChoice>,
}

impl Login {
    pub(super) fn new(claim: VerifiedClaim, request: Parts, asks_to_be_remembered: bool) -> Self {
        let (person, hooks_choice) = (Person::default(), Arc::default());
        Self { claim, request, person, asks_to_be_remembered, hooks_choice }
    }

    pub(super) fn hooks_choice(&self) -> Arc<HooksChoice> {
        Arc::clone(&self.hooks_choice)
    }

    /// Adds what is known about who signs in.
    pub(super) fn by(self, person: &Person) -> Self {
        Self { person: person.clone(), ..self }
    }

    /// The user's profile at Magic, with [`DidAuth::with_magic`](super::DidAuth::with_magic).
    /// `None` for those who are admitted without.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub const fn magic_user(&self) -> Option<&crate::magic::MagicUser> {
        self.person.0.as_ref()
    }

    /// Chooses whether the session that begins is remembered, whatever the request asks for. Where
    /// the hook chooses nothing, the request does. Without effect where the `DidAuth` has no
    /// [`RememberMe`](super::RememberMe).
    ///
    /// ```
    /// use tower_didt::{Login, Refusal};
    ///
    /// # async fn is_administrator(_: &Login) -> bool { true }
    /// async fn admit(login: Login) -> Result<(), Refusal> {
    ///     if is_administrator(&login).await {
    ///         login.remember(false);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn remember(&self, remember: bool) {
        self.hooks_choice.set(remember);
    }

    /// Whether the request asks for a session that is remembered; `false` where the `DidAuth` has no
    /// [`RememberMe`](super::RememberMe).
    #[must_use]
    pub const fn asks_to_be_remembered(&self) -> bool {
        self.asks_to_be_remembered
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

/// The application's answer, on its way.
pub(super) type Asking = Pin<Box<dyn Future<Output = Result<SessionData, LoginError>> + Send>>;

/// Why a hook did not let someone in.
pub(super) enum LoginError {
    Refused(Refusal),
    /// What it attached has no JSON form.
    Data(serde_json::Error),
}

/// The application's hook.
#[derive(Clone)]
pub(super) struct LoginHook(Arc<dyn Fn(Login) -> Asking + Send + Sync>);

impl LoginHook {
    pub(super) fn new<F, Fut, D>(hook: F) -> Self
    where
        F: Fn(Login) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        Self(Arc::new(move |login| asking(hook(login))))
    }

    pub(super) fn call(&self, login: Login) -> Asking {
        (self.0)(login)
    }
}

/// The answer as a store keeps it.
pub(super) fn asking<D: Serialize>(
    answer: impl Future<Output = Result<D, Refusal>> + Send + 'static,
) -> Asking {
    Box::pin(async move {
        let data = answer.await.map_err(LoginError::Refused)?;
        SessionData::new(&data).map_err(LoginError::Data)
    })
}

impl fmt::Debug for LoginHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginHook")
    }
}
