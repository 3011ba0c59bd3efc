//! `tower::Layer`.

use std::sync::Arc;

use tower_layer::Layer;

use super::DidService;
use super::gate::{Asked, Gate};
use super::instead::Instead;

/// Guards a service. Made by [`DidAuth::layer`](super::DidAuth::layer).
#[derive(Clone, Debug)]
#[must_use]
pub struct DidLayer {
    gate: Arc<Gate>,
    asked: Asked,
    instead: Option<Instead>,
}

impl DidLayer {
    pub(super) const fn new(gate: Arc<Gate>) -> Self {
        let asked = Asked { required: true, signs_in: true, anew: false, session_only: false };
        Self { gate, asked, instead: None }
    }

    /// Lets requests without credentials pass too, and those whose session has
    /// ended. A bad token, a request caused by a foreign page and a store that
    /// cannot answer are rejected all the same.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, routing::get};
    /// use tower_didt::{DidAuth, Session, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
    /// let everybody: Router = Router::new()
    ///     .route("/", get(async |session: Option<Session>| match session {
    ///         Some(session) => format!("hello, {}", session.address()),
    ///         None => "hello, stranger".to_owned(),
    ///     }))
    ///     .route_layer(auth.layer().optional());
    /// # }
    /// ```
    pub fn optional(mut self) -> Self {
        self.asked.required = false;
        self
    }

    /// Makes a session of each new token, and revokes the one that the cookie beside it has, also
    /// where both are of the same issuer. Elsewhere that session stays. A token that was used
    /// before leaves it as it is.
    ///
    /// For the route that people sign in at: who does so again, perhaps because a session as old
    /// as theirs is not enough somewhere, gets one that is new.
    ///
    /// ```
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
    /// let for_signing_in = auth.layer().signing_in_anew();
    /// ```
    pub fn signing_in_anew(mut self) -> Self {
        self.asked.anew = true;
        self
    }

    /// Lets a request pass with a session only, never with a token that became none: for the route
    /// that pages sign in at, whose success they believe.
    ///
    /// A token that was used before is good for a request until it expires, but makes no second
    /// session, so that a page that sends one twice would read success and be a stranger in the
    /// next request. Here it is a `401` ([`Rejection::TokenUsed`](super::Rejection::TokenUsed)),
    /// unless the cookie beside it is that of a living session of the same issuer. A store that
    /// keeps no sessions is a `500`.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, routing::post};
    /// use tower_didt::{DidAuth, Session, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
    /// let sign_in: Router = Router::new()
    ///     .route("/sign-in", post(async |session: Session| session.issuer().to_string()))
    ///     .route_layer(auth.layer().session_only());
    /// # }
    /// ```
    pub fn session_only(mut self) -> Self {
        self.asked.session_only = true;
        self
    }

    /// Makes no sessions: a token authenticates the request that brings it and nothing
    /// more, and no answer signs anybody in. The cookie of a session works as ever.
    ///
    /// For routes where a client must not be signed in as a side effect: an API that machines call
    /// with tokens, or an endpoint that a proxy asks about other people's requests. A token stays
    /// good for signing in elsewhere, except with [`Replay::SingleUse`](super::Replay::SingleUse),
    /// where one request uses it up. With [`BoundLogin`](super::BoundLogin) it has to come with its
    /// challenge here too, which stays good as well. The store is asked whether the token was
    /// [revoked](crate::store::TokenState::Revoked). Since no session is made, pages of other
    /// origins are not refused for bringing a token: with CORS it is up to you who may.
    ///
    /// ```
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
    /// let for_machines = auth.layer().without_sign_in();
    /// ```
    pub fn without_sign_in(mut self) -> Self {
        self.asked.signs_in = false;
        self
    }

    /// Answers some of the requests that do not pass with something other than the rejection.
    #[cfg(feature = "sign-in-page")]
    pub(crate) fn answering(mut self, instead: Instead) -> Self {
        self.instead = Some(instead);
        self
    }
}

impl<S> Layer<S> for DidLayer {
    type Service = DidService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DidService::new(inner, Arc::clone(&self.gate), self.asked, self.instead.clone())
    }
}
