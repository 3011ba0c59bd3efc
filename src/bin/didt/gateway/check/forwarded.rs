//! Caddy's `forward_auth` and Traefik's `ForwardAuth`: both tell the original request in
//! `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`, and overwrite what the client sent.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use http::request::Parts;

use super::Checks;
use super::question::{Kind, Original, Question, told};
use super::refusal::Refusal;

pub(super) fn router() -> Router<Arc<Checks>> {
    // The endpoint's own query takes no part: Caddy appends the client's to it.
    let answer = |kind| {
        any(async move |State(checks): State<Arc<Checks>>, request: Request| -> Response {
            let (head, _) = request.into_parts();
            let question = Question::new(kind, &head, original(&head));
            checks.check(question).await.map(Body::from)
        })
    };
    Router::new()
        .route("/check/caddy", answer(Kind::Caddy))
        .route("/check/traefik", answer(Kind::Traefik))
}

fn original(head: &Parts) -> Result<Original, Refusal> {
    let told = |name| told(&head.headers, name);
    Ok(Original {
        method: told("x-forwarded-method")?,
        scheme: told("x-forwarded-proto")?,
        host: told("x-forwarded-host")?,
        uri: told("x-forwarded-uri")?,
        headers: head.headers.clone(),
    })
}
