//! `GET /auth/jwks.json`: the public keys of assertions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use tower_didt::Clock;

use super::super::assertion::Signer;

/// Public, and the same for everyone: upstreams may cache it for five minutes.
pub(super) async fn serve(
    State((signer, clock)): State<(Arc<Signer>, Arc<dyn Clock>)>,
) -> impl IntoResponse {
    let headers =
        [(CONTENT_TYPE, "application/jwk-set+json"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, signer.jwks(clock.now()))
}
