//! What administrators can do: see an issuer's sessions, and end them.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::{Deserialize, Serialize};
use tower_didt::{DidAuth, Issuer, SessionHandle, StoreError, Timestamp};

use super::bearer::{Guard, administrators_only};
use crate::serve::audit;
use crate::serve::config::Secret;
use crate::serve::page;

pub(super) fn routes(auth: DidAuth, secret: &Secret) -> Router {
    Router::new()
        .route("/admin/sessions", get(sessions))
        .route("/admin/revoke", post(revoke))
        // Of the routes alone, and before anything else is looked at.
        .route_layer(middleware::from_fn_with_state(Guard::new(secret), administrators_only))
        .with_state(auth)
}

/// Unknown and repeated keys are refused, so that mistyping `session` does not end all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    issuer: Issuer,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    issuer: Issuer,
    session: Option<SessionHandle>,
}

/// What is shown of a session. Not the application's data.
#[derive(Serialize)]
struct Shown {
    session: SessionHandle,
    created_at: Timestamp,
    last_seen: Timestamp,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Sessions {
    issuer: Issuer,
    sessions: Vec<Shown>,
    /// Where the next page begins; `null` on the last.
    next: Option<String>,
}

#[derive(Serialize)]
struct Revoked {
    issuer: Issuer,
    /// None where all were meant.
    session: Option<SessionHandle>,
    /// Whether there was anything to end; of all sessions, whether they are ended: always.
    revoked: bool,
}

async fn sessions(
    State(auth): State<DidAuth>,
    query: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Whose { issuer, cursor, limit }) = query?;
    let request = page::request(cursor.as_deref(), limit).ok_or(Failure::Query)?;
    let page = auth.sessions_of(issuer, request).await?;
    let sessions = page.sessions.iter().map(|record| Shown {
        session: record.handle,
        created_at: record.created_at,
        last_seen: record.last_seen,
        expires_at: record.expires_at,
    });
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(uncached(Json(Sessions { issuer, sessions: sessions.collect(), next })))
}

async fn revoke(
    State(auth): State<DidAuth>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Which { issuer, session }) = query?;
    let revoked = match session {
        Some(handle) => auth.revoke(issuer, handle).await?,
        None => auth.sign_out_everywhere(issuer).await.map(|()| true)?,
    };
    if revoked {
        audit::revoked(issuer, session);
    }
    Ok(uncached(Json(Revoked { issuer, session, revoked })))
}

/// What could not be done.
enum Failure {
    Query,
    Store(StoreError),
}

impl From<QueryRejection> for Failure {
    fn from(_: QueryRejection) -> Self {
        Self::Query
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Query => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Store(StoreError::Unsupported) => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        };
        let mut response = uncached((status, Json(serde_json::json!({ "error": error }))));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

fn uncached(response: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], response).into_response()
}
