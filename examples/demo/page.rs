//! The page for browsers: its files, and what they may do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::routes::Demo;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JS: &str = "text/javascript; charset=utf-8";

/// Path below `/page/`, MIME type, contents.
macro_rules! files {
    ($($path:literal: $mime:ident),* $(,)?) => {
        &[$(($path, $mime, include_str!(concat!("page/", $path)))),*]
    };
}

const FILES: &[(&str, &str, &str)] = files! {
    "api.js": JS,
    "app.js": JS,
    "icon.svg": SVG,
    "magic.js": JS,
    "style.css": CSS,
    "vendor/noble-hashes/_u64.js": JS,
    "vendor/noble-hashes/sha3.js": JS,
    "vendor/noble-hashes/utils.js": JS,
    "vendor/noble-secp256k1/index.js": JS,
    "wallet.js": JS,
};

/// Nothing but this server's own files and routes. Whoever gets a script into the page
/// could not load another one, nor send anything away.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

/// Magic's SDK is one script, of one version, that opens a frame at Magic's site.
const POLICY_WITH_MAGIC: &str = "default-src 'none'; \
     script-src 'self' https://cdn.jsdelivr.net/npm/magic-sdk@33.13.0/dist/magic.js; \
     style-src 'self'; img-src 'self'; frame-src https://auth.magic.link; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn router() -> Router<Arc<Demo>> {
    Router::new().route("/page/config.json", get(config)).route("/page/{*path}", get(file))
}

/// Whether a browser asks, as somebody types the address into it.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/html")
}

pub(crate) fn response(demo: &Demo) -> Response {
    let policy = if demo.magic_key.is_some() { POLICY_WITH_MAGIC } else { POLICY };
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, policy),
        (REFERRER_POLICY, "same-origin"),
        (VARY, "accept"),
    ];
    (headers, typed(HTML, include_str!("page/index.html"))).into_response()
}

async fn config(State(demo): State<Arc<Demo>>) -> Json<Value> {
    Json(json!({ "audience": demo.audience, "magic_key": demo.magic_key }))
}

async fn file(Path(path): Path<String>) -> Response {
    match FILES.iter().find(|(name, _, _)| *name == path) {
        Some((_, mime, contents)) => typed(mime, contents).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn typed(mime: &'static str, contents: &'static str) -> impl IntoResponse {
    let headers =
        [(CONTENT_TYPE, mime), (X_CONTENT_TYPE_OPTIONS, "nosniff"), (CACHE_CONTROL, "no-cache")];
    (headers, contents)
}
