//! Whether the server lives, whether it can be used, and what it measured.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_didt::DidAuth;

use crate::serve::measures::Measures;
use crate::serve::server::Stop;
use crate::serve::sites::Sites;

/// Prometheus' text format, as its exposition formats name it.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

const UNCACHED: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

pub(super) fn routes(
    sites: Sites<DidAuth>,
    measures: Measures,
    stop: Stop,
    generation: u64,
) -> Router {
    let alive = get(|| async { (UNCACHED, "alive\n") });
    let ready = get(ready).with_state((sites, stop, generation));
    let measured = get(async move || ([(CONTENT_TYPE, TEXT_FORMAT)], measures.text()));
    Router::new().route("/healthz", alive).route("/readyz", ready).route("/metrics", measured)
}

/// The reason is in the log, not in the answer.
async fn ready(
    State((sites, stop, generation)): State<(Sites<DidAuth>, Stop, u64)>,
) -> impl IntoResponse {
    let (status, text) = if stop.is_finishing() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
    } else if !answer(&sites).await {
        (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n".to_owned())
    } else {
        (StatusCode::OK, format!("ready\ngeneration {generation}\n"))
    };
    (status, UNCACHED, text)
}

/// Whether the stores of all sites do.
async fn answer(sites: &Sites<DidAuth>) -> bool {
    for (_, auth) in sites.iter() {
        if auth.ready().await.is_err() {
            return false;
        }
    }
    true
}
