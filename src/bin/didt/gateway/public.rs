//! What the public listener serves.

use std::sync::Arc;

use axum::Router;
use tower_didt::DidAuth;

use super::config::Config;

/// The endpoints for browsers and clients, and those for gateways.
///
/// Every request must have its [`Peer`](super::peer::Peer) among its extensions.
pub(crate) fn router(_config: &Arc<Config>, _auth: &DidAuth) -> Router {
    Router::new()
}
