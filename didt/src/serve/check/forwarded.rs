//! Caddy's `forward_auth` and Traefik's `ForwardAuth`: both tell the original request in
//! `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`, and overwrite what the client sent.

use std::sync::Arc;

use axum::Router;
use http::request::Parts;

use super::question::{Kind, Original, told};
use super::refusal::Refusal;
use super::{Checks, endpoint};

/// The endpoints' own query takes no part: Caddy appends the client's to it.
pub(super) fn router() -> Router<Arc<Checks>> {
    Router::new()
        .route("/check/caddy", endpoint(Kind::Caddy, original))
        .route("/check/traefik", endpoint(Kind::Traefik, original))
}

fn original(head: Parts) -> Result<Original, Refusal> {
    let told = |name| told(&head.headers, name);
    Ok(Original {
        method: told("x-forwarded-method")?,
        scheme: told("x-forwarded-proto")?,
        host: told("x-forwarded-host")?,
        uri: told("x-forwarded-uri")?,
        headers: head.headers,
    })
}
