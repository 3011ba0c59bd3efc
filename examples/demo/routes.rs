//! The application: what a service of your own would have.

use std::error::Error;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_didt::layer::is_navigation;
use tower_didt::store::PageRequest;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Session, SessionHandle, StoreError};

use super::guide::Guide;
use super::page;

pub(crate) struct Demo {
    pub(crate) wallet: Wallet,
    pub(crate) audience: String,
    pub(crate) guide: Guide,
    /// Magic's real login, in place of the stand-in.
    pub(crate) magic: Option<Magic>,
}

/// An application at Magic.
pub(crate) struct Magic {
    /// Its publishable key.
    pub(crate) key: String,
    /// What is enabled in its dashboard.
    pub(crate) providers: Vec<String>,
    pub(crate) links: bool,
}

impl Demo {
    /// A token as Magic's SDK would give to a signed-in user's browser.
    pub(crate) fn mint(&self) -> String {
        self.wallet.token(&self.audience).mint()
    }
}

pub(crate) fn router(demo: Arc<Demo>, auth: &DidAuth) -> Result<Router, Box<dyn Error>> {
    let sign_in = page::sign_in(auth, demo.magic.as_ref())?;
    let members = Router::new()
        .route("/me", get(me))
        .route("/sessions", get(sessions))
        .route("/sessions/{handle}/sign-out", post(sign_out_other))
        .route("/sign-out", post(sign_out))
        .route("/sign-out-everywhere", post(sign_out_everywhere))
        .route_layer(auth.layer().redirecting_to("/auth/sign-in")?);
    // Any route signs in where a token comes along; this one succeeds with a session only, never with
    // a token that was used before. A page posts it, so that the browser keeps neither the request
    // nor its answer.
    let signing_in =
        Router::new().route("/sign-in", post(me)).route_layer(auth.layer().session_only());
    let visitors = Router::new()
        .route("/", get(home))
        .route("/session", get(session_or_none))
        .route_layer(auth.layer().optional());
    let challenges = auth.clone();
    let everybody = Router::new()
        .nest_service("/auth", sign_in)
        .route("/test-token", get(test_token))
        .route("/stand-in/token", post(stand_in_token))
        .route("/challenge", post(async move || challenges.challenge()))
        .merge(page::router());
    Ok(members.merge(signing_in).merge(visitors).merge(everybody).with_state(demo))
}

async fn home(
    State(demo): State<Arc<Demo>>,
    method: Method,
    headers: HeaderMap,
    session: Option<Session>,
) -> Response {
    if is_navigation(&method, &headers) {
        return page::response();
    }
    let greeting = match session {
        Some(session) => format!("You are signed in: {}", session.issuer()),
        None => "You are not signed in.".to_owned(),
    };
    let page = format!("{greeting}\n\n{}", demo.guide.with_token(&demo.mint()));
    ([(CACHE_CONTROL, "no-store"), (VARY, "accept")], page).into_response()
}

async fn me(session: Session) -> Json<Value> {
    Json(describe(&session))
}

async fn session_or_none(session: Option<Session>) -> Json<Option<Value>> {
    Json(session.as_ref().map(describe))
}

fn describe(session: &Session) -> Value {
    json!({
        "issuer": session.issuer(),
        "address": session.address().to_string(),
        // None where a token came that had made its session before.
        "session": session.handle(),
        "expires_at": session.expires_at(),
    })
}

/// The oldest of them, as many as a page has; an issuer has few.
async fn sessions(session: Session) -> Result<Json<Value>, StoreError> {
    let own = session.handle();
    let page = session.sessions(PageRequest::first()).await?;
    let list = page.sessions.iter().map(|record| {
        json!({
            "session": record.handle,
            "this_one": own == Some(record.handle),
            "created_at": record.created_at,
            "last_seen": record.last_seen,
            "expires_at": record.expires_at,
        })
    });
    Ok(Json(list.collect()))
}

async fn sign_out(session: Session) -> Result<&'static str, StoreError> {
    session.sign_out().await?;
    Ok("signed out\n")
}

/// Another session of the same issuer: that of a phone that was lost.
async fn sign_out_other(
    session: Session,
    Path(handle): Path<SessionHandle>,
) -> Result<StatusCode, StoreError> {
    let found = session.revoke(handle).await?;
    Ok(if found { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn sign_out_everywhere(session: Session) -> Result<&'static str, StoreError> {
    session.sign_out_everywhere().await?;
    Ok("signed out on all devices\n")
}

/// Stands in for Magic. No real service has such a route.
async fn test_token(State(demo): State<Arc<Demo>>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], demo.mint() + "\n")
}

/// What the stand-in in the sign-in page asks for.
#[derive(Deserialize)]
struct Wanted {
    email: String,
    attachment: Option<String>,
}

/// The same: a token of the test wallet that belongs to an address, whoever asks.
async fn stand_in_token(State(demo): State<Arc<Demo>>, Json(wanted): Json<Wanted>) -> Response {
    let wallet = Wallet::from_seed(format!("a test wallet of {}", wanted.email));
    let mut token = wallet.token(&demo.audience);
    if let Some(attachment) = wanted.attachment {
        token = token.attachment(attachment);
    }
    ([(CACHE_CONTROL, "no-store")], Json(json!({ "token": token.mint() }))).into_response()
}
