//! `tower::Layer`.

use std::sync::Arc;

use tower_layer::Layer;

use super::DidService;
use super::gate::Gate;

/// Guards a service. Made by [`DidAuth::layer`](super::DidAuth::layer).
#[derive(Clone, Debug)]
#[must_use]
pub struct DidLayer {
    gate: Arc<Gate>,
    required: bool,
}

impl DidLayer {
    pub(super) const fn new(gate: Arc<Gate>) -> Self {
        Self { gate, required: true }
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
        self.required = false;
        self
    }
}

impl<S> Layer<S> for DidLayer {
    type Service = DidService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DidService::new(inner, Arc::clone(&self.gate), self.required)
    }
}
