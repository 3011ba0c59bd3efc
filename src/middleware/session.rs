//! The caller, as handlers see it.

use std::fmt;
use std::sync::Arc;

use super::gate::Gate;
use super::happened::Happened;
use crate::did::{Address, Issuer, Timestamp, VerifiedClaim};
use crate::session::{
    PageRequest, SessionData, SessionHandle, SessionPage, SessionRecord, StoreError,
};

/// Who is calling. Handlers find it in the request's extensions; under axum it
/// is an extractor (`Session` or `Option<Session>`).
///
/// Cheap to clone. A snapshot from when the request came in: revoking the session
/// while a handler runs does not change it. What is attached to it can be
/// [changed](Self::modify_data); all clones then show the new data.
///
/// In a handler for axum, with a list of devices to sign out:
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::extract::Path;
/// use axum::http::StatusCode;
/// use tower_didt::{Session, SessionHandle, StoreError};
/// use tower_didt::store::PageRequest;
///
/// async fn devices(session: Session) -> Result<String, StoreError> {
///     let mut list = String::new();
///     // The oldest 100; `next` of the page leads to the others.
///     let page = session.sessions(PageRequest::first()).await?;
///     for other in page.sessions {
///         let here = if session.handle() == Some(other.handle) { " (this one)" } else { "" };
///         list += &format!("{} since {}{here}\n", other.handle, other.created_at);
///     }
///     Ok(list)
/// }
///
/// // The handle may come from a form: it opens nothing, and ends only this issuer's sessions.
/// async fn sign_out_device(
///     session: Session,
///     Path(handle): Path<SessionHandle>,
/// ) -> Result<StatusCode, StoreError> {
///     let found = session.revoke(handle).await?;
///     Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
/// }
/// # }
/// ```
///
/// Without axum, in any service behind the layer:
///
/// ```
/// use http::{Request, Response};
/// use tower_didt::Session;
///
/// fn hello<B>(request: &Request<B>) -> Response<String> {
///     // None where the layer is optional, and nobody is signed in.
///     let session = request.extensions().get::<Session>();
///     let name = session.map_or("stranger".to_owned(), |session| session.address().to_string());
///     Response::new(format!("hello, {name}"))
/// }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    gate: Arc<Gate>,
    identity: Identity,
    happened: Happened,
}

/// What the caller was recognised by.
pub(super) enum Identity {
    /// By the cookie, or by a token that has just become a session.
    Session(Arc<SessionRecord>),
    /// By a token that became no session.
    Token { claim: VerifiedClaim, seen: Timestamp, expires_at: Timestamp, data: SessionData },
}

impl Session {
    pub(super) fn new(gate: Arc<Gate>, identity: Identity) -> Self {
        Self(Arc::new(Inner { gate, identity, happened: Happened::default() }))
    }

    /// The caller's issuer, the one proven identity. Look users up by it.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        match &self.0.identity {
            Identity::Session(record) => record.issuer,
            Identity::Token { claim, .. } => claim.issuer(),
        }
    }

    /// The issuer's Ethereum address, Magic's *public address*.
    #[must_use]
    pub fn address(&self) -> Address {
        self.issuer().address()
    }

    /// What names this session in lists, or `None` if the request was
    /// authenticated by a token that became no session.
    #[must_use]
    pub fn handle(&self) -> Option<SessionHandle> {
        self.record().map(|record| record.handle)
    }

    /// When the session was minted; for a token without a session, the time of this request.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        match &self.0.identity {
            Identity::Session(record) => record.created_at,
            Identity::Token { seen, .. } => *seen,
        }
    }

    /// When the session ends whatever happens. For a token that became no session
    /// ([`handle`](Self::handle) is `None`), when this layer stops accepting the token: at the
    /// latest when it reaches [`with_max_token_age`](super::DidAuth::with_max_token_age),
    /// however late its holder says that it expires.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        match &self.0.identity {
            Identity::Session(record) => record.expires_at,
            Identity::Token { expires_at, .. } => *expires_at,
        }
    }

    /// Whether the session was chosen to outlive the browser's, at sign-in. See
    /// [`RememberMe`](super::RememberMe).
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.record().is_some_and(|record| record.is_remembered())
    }

    /// The user's profile at Magic, with [`DidAuth::with_magic`](super::DidAuth::with_magic): what
    /// extractors and extensions have too. `None` where Magic has not said yet, or knows no such
    /// user.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn magic_user(&self) -> Option<crate::magic::MagicUser> {
        self.0.gate.people.of_session(self, || self.0.gate.clock.now())
    }

    /// Whether Magic's last word was that it knows no such user. `false` where it said nothing
    /// lately: then [`magic_user`](Self::magic_user) may be missing for now.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn is_unknown_to_magic(&self) -> bool {
        let asked = self.0.gate.people.0.as_ref();
        asked.is_some_and(|asked| asked.magic.gone_since(self.issuer()).is_some())
    }

    /// Ends this session; the response clears the cookie.
    ///
    /// A request that brings a token makes a session first, as any other; it is ended
    /// again. One that was authenticated by a used token has no session to end.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer: the session may live on, and the
    /// cookie stays. Answer with 503.
    pub async fn sign_out(&self) -> Result<(), StoreError> {
        if let Some(record) = self.record() {
            let now = self.0.gate.clock.now();
            self.0.gate.store.revoke(record.issuer, record.handle, now).await?;
        }
        self.forget_cookie();
        Ok(())
    }

    /// Ends all sessions of this issuer, on all devices, this one included, and its tokens: those
    /// issued until now, and those presented before. Signing in again takes a token that is issued
    /// later.
    ///
    /// # Errors
    ///
    /// As [`sign_out`](Self::sign_out). [`StoreError::Forgetful`] if the store remembers nothing.
    pub async fn sign_out_everywhere(&self) -> Result<(), StoreError> {
        let now = self.0.gate.clock.now();
        self.0.gate.store.revoke_all(self.issuer(), now).await?;
        self.forget_cookie();
        Ok(())
    }

    /// Lists a page of this issuer's living sessions, oldest first.
    ///
    /// Follow [`SessionPage::next`] for the others.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn sessions(&self, page: PageRequest) -> Result<SessionPage, StoreError> {
        self.0.gate.sessions_of(self.issuer(), page).await
    }

    /// Ends one of this issuer's sessions: `true` if there was one of this handle.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer.
    pub async fn revoke(&self, handle: SessionHandle) -> Result<bool, StoreError> {
        let now = self.0.gate.clock.now();
        let revoked = self.0.gate.store.revoke(self.issuer(), handle, now).await?;
        if self.handle() == Some(handle) {
            self.forget_cookie();
        }
        Ok(revoked)
    }

    /// Whether the layer asks Magic who people are.
    #[cfg(feature = "magic")]
    pub(crate) fn is_looked_up(&self) -> bool {
        self.0.gate.people.is_asked()
    }

    /// What happened to the session since the request came in.
    pub(super) fn happened(&self) -> &Happened {
        &self.0.happened
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Whether this gate recognised the caller, not another layer's.
    pub(super) fn is_of(&self, gate: &Arc<Gate>) -> bool {
        Arc::ptr_eq(&self.0.gate, gate)
    }

    pub(super) fn record(&self) -> Option<&Arc<SessionRecord>> {
        match &self.0.identity {
            Identity::Session(record) => Some(record),
            Identity::Token { .. } => None,
        }
    }

    /// Has the response clear the cookie, if it is this caller's: a cookie next to
    /// a used token may be someone else's, whose session was not ended.
    fn forget_cookie(&self) {
        if self.record().is_some() {
            self.happened().signed_out();
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("issuer", &self.issuer())
            .field("created_at", &self.created_at())
            .field("expires_at", &self.expires_at())
            .finish_non_exhaustive()
    }
}
