//! `GET /auth/session`, `GET /auth/sessions`, `DELETE /auth/sessions/{handle}`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use tower_didt::{Session, SessionHandle};

use super::super::audit::{self, Asked, Audit};
use super::super::page::Page;
use super::super::peer::Client;
use super::{StoreFault, describe, describe_listed, error};

pub(super) async fn current(session: Session) -> Json<Value> {
    Json(describe(&session))
}

/// A page of the list; `next` is the cursor of the next one, `null` on the last.
pub(super) async fn list(
    session: Session,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, StoreFault> {
    let Some(request) = page.ok().and_then(|Query(page)| page.request()) else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request"));
    };
    let own = session.handle();
    let page = session.sessions(request).await?;
    let listed = page.sessions.iter();
    let listed = listed.map(|record| describe_listed(record, own == Some(record.handle)));
    let listed: Vec<_> = listed.collect();
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(json!({ "issuer": session.issuer(), "sessions": listed, "next": next }))
        .into_response())
}

/// 404 for a handle that is malformed, belongs to another issuer, or has ended: the three look
/// alike.
pub(super) async fn end(
    Extension(client): Extension<Client>,
    Extension(audit): Extension<Audit>,
    asked: Asked,
    Path(handle): Path<String>,
    session: Session,
) -> Result<Response, StoreFault> {
    let Ok(handle) = handle.parse::<SessionHandle>() else {
        return Ok(error(StatusCode::NOT_FOUND, "not_found"));
    };
    if !session.revoke(handle).await? {
        return Ok(error(StatusCode::NOT_FOUND, "not_found"));
    }
    audit::sign_out(&audit.party(&session), Some(handle), false, client.0, &asked);
    Ok(StatusCode::NO_CONTENT.into_response())
}
