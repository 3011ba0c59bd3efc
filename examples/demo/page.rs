//! The page for browsers: its files, and what they may do.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_didt::DidAuth;
use tower_didt::page::{PageError, Script, SignInPage};

use super::routes::{Demo, Magic};

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
    "style.css": CSS,
};

/// What the sign-in page loads in place of Magic's SDK.
const STAND_IN: &str = include_str!("page/stand-in.js");

/// Nothing but this server's own files and routes. Whoever gets a script into the page
/// could not load another one, nor send anything away.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

/// The library's own sign-in page: with Magic's SDK where there is a key, else with the stand-in.
pub(crate) fn sign_in(auth: &DidAuth, magic: Option<&Magic>) -> Result<SignInPage, PageError> {
    match magic {
        Some(magic) => SignInPage::new(auth, &magic.key)
            .with_magic_links(magic.links)
            .with_providers(magic.providers.iter().map(String::as_str)),
        None => Ok(SignInPage::new(auth, "pk_none").with_magic_script(Script::file(STAND_IN))),
    }
}

pub(crate) fn router() -> Router<Arc<Demo>> {
    Router::new().route("/page/config.json", get(config)).route("/page/{*path}", get(file))
}

pub(crate) fn response() -> Response {
    let headers = [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (VARY, "accept"),
    ];
    (headers, typed(HTML, include_str!("page/index.html"))).into_response()
}

async fn config(State(demo): State<Arc<Demo>>) -> Json<Value> {
    Json(json!({ "audience": demo.audience, "stand_in": demo.magic.is_none() }))
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
