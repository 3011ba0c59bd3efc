//! Everybody's sessions, for administration.

use std::fmt;
use std::sync::Arc;

use super::gate::Gate;
use crate::did::Issuer;
use crate::session::{
    IssuerCursor, IssuerPage, PageRequest, SessionHandle, SessionPage, StoreError,
};

/// How many pages of an issuer's sessions are read to count them: with 100 on each, four times as
/// many as an issuer may have by default.
const MAX_PAGES_COUNTED: usize = 10;

/// Everybody's sessions, for administration: lists, counts and ends them. Made by
/// [`DidAuth::sessions`](super::DidAuth::sessions).
///
/// It asks nobody for permission. Keep what calls it behind a [`Guard`](super::Guard).
///
/// In handlers for axum, for a page of administrators:
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, extract::{Path, State}, routing::{delete, get}};
/// use tower_didt::layer::Sessions;
/// use tower_didt::store::PageRequest;
/// use tower_didt::{DidAuth, Guard, Issuer, SessionHandle, StoreError, Verifier};
///
/// async fn list(State(all): State<Sessions>) -> Result<String, StoreError> {
///     let mut list = String::new();
///     for issuer in all.issuers(None).await?.issuers {
///         list += &format!("{issuer}: {}\n", all.count(issuer).await?);
///         for session in all.of(issuer, PageRequest::first()).await?.sessions {
///             list += &format!("  {} since {}\n", session.handle, session.created_at);
///         }
///     }
///     Ok(list)
/// }
///
/// async fn end(
///     State(all): State<Sessions>,
///     Path((issuer, handle)): Path<(Issuer, SessionHandle)>,
/// ) -> Result<(), StoreError> {
///     all.end(issuer, handle).await?;
///     Ok(())
/// }
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     is_admin: bool,
/// }
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
/// let admins = Guard::data(|user: &User| user.is_admin);
/// let app: Router = Router::new()
///     .route("/sessions", get(list))
///     .route("/sessions/{issuer}/{handle}", delete(end))
///     .route_layer(auth.layer().require(admins))
///     .with_state(auth.sessions());
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Sessions(Arc<Gate>);

impl Sessions {
    pub(super) const fn new(gate: Arc<Gate>) -> Self {
        Self(gate)
    }

    /// Lists a page of an issuer's living sessions, oldest first.
    ///
    /// Follow [`SessionPage::next`] for the others.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn of(&self, issuer: Issuer, page: PageRequest) -> Result<SessionPage, StoreError> {
        self.0.sessions_of(issuer, page).await
    }

    /// Lists a page of the issuers that have sessions.
    ///
    /// Follow [`IssuerPage::next`] for the others.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer: [`Unsupported`](StoreError::Unsupported) where
    /// sessions live in their cookies.
    pub async fn issuers(&self, after: Option<IssuerCursor>) -> Result<IssuerPage, StoreError> {
        self.0.store.issuers(after).await
    }

    /// Counts an issuer's living sessions, as far as ten pages of the list go: about 1,000.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn count(&self, issuer: Issuer) -> Result<SessionCount, StoreError> {
        let (mut sessions, mut next) = (0, PageRequest::first());
        for _ in 0..MAX_PAGES_COUNTED {
            let page = self.of(issuer, next).await?;
            sessions += page.sessions.len();
            match page.next {
                Some(cursor) => next = PageRequest::after(cursor),
                None => return Ok(SessionCount { sessions, is_exact: true }),
            }
        }
        Ok(SessionCount { sessions, is_exact: false })
    }

    /// Ends one session: `true` if the issuer had one of this handle.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer.
    pub async fn end(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, StoreError> {
        self.0.store.revoke(issuer, handle, self.0.clock.now()).await
    }

    /// Ends all sessions of an issuer, and its tokens: those issued until now, and those presented
    /// before.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer, or
    /// [remembers](crate::store::SessionStore::remembers) nothing.
    pub async fn end_all(&self, issuer: Issuer) -> Result<(), StoreError> {
        self.0.store.revoke_all(issuer, self.0.clock.now()).await
    }
}

/// How many sessions an issuer has. Displayed as `3` or `1000 or more`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCount {
    /// The sessions that were counted.
    pub sessions: usize,
    /// Whether these are all.
    pub is_exact: bool,
}

impl fmt::Display for SessionCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sessions, if self.is_exact { "" } else { " or more" })
    }
}
