//! `GET /auth/session`, `GET /auth/sessions`, `DELETE /auth/sessions/{handle}`.

use axum::Json;
use axum::extract::{Extension, Path};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};
use tower_didt::{Session, SessionHandle};

use super::super::audit;
use super::super::peer::Client;
use super::{StoreFault, describe, describe_listed, error};

pub(super) async fn current(session: Session) -> Json<Value> {
    Json(describe(&session))
}

pub(super) async fn list(session: Session) -> Result<Json<Value>, StoreFault> {
    let own = session.handle();
    let sessions = session.sessions().await?;
    let listed = sessions.iter().map(|record| describe_listed(record, own == Some(record.handle)));
    let listed: Vec<_> = listed.collect();
    Ok(Json(json!({ "issuer": session.issuer(), "sessions": listed })))
}

/// 404 for a handle that is none, is another issuer's, or has ended: the three look alike.
pub(super) async fn end(
    Extension(client): Extension<Client>,
    Path(handle): Path<String>,
    session: Session,
) -> Result<Response, StoreFault> {
    let Ok(handle) = handle.parse::<SessionHandle>() else {
        return Ok(error(StatusCode::NOT_FOUND, "not_found"));
    };
    if !session.revoke(handle).await? {
        return Ok(error(StatusCode::NOT_FOUND, "not_found"));
    }
    audit::sign_out(session.issuer(), Some(handle), false, client.0);
    Ok(StatusCode::NO_CONTENT.into_response())
}
