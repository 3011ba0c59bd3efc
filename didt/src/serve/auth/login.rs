//! `POST /auth/login`: a DID token becomes a session.

use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use axum::{Json, http::HeaderMap};
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION};
use tower_didt::{Rejection, Session};

use super::super::audit::{self, Asked, Audit};
use super::super::denial_reason;
use super::super::peer::Client;
use super::{PLAIN_CHALLENGE, describe, unauthorized};

/// The layer has verified the token and made the session. A cookie beside it of the same issuer's
/// living session stays, but where rules ask for a session that is new.
pub(super) async fn login(
    Extension(client): Extension<Client>,
    Extension(audit): Extension<Audit>,
    asked: Asked,
    headers: HeaderMap,
    session: Session,
) -> Response {
    // A cookie alone signs nobody in: whoever sends it is in already, and meant to send a token.
    if !headers.contains_key(AUTHORIZATION) {
        return unauthorized("unauthorized", PLAIN_CHALLENGE);
    }
    // A token makes one session. Saying yes without a cookie would be telling a client that it
    // is signed in when it is not.
    if session.handle().is_none() {
        let challenge = "Bearer realm=\"magic\", error=\"invalid_token\", \
                         error_description=\"The token was used before\"";
        let who = audit.party(&session);
        audit::refusal("token_used", Some(&who), client.0, "auth", &asked);
        let mut answer = unauthorized("invalid_token", challenge);
        denial_reason::write(answer.headers_mut(), denial_reason::of(&Rejection::TokenUsed));
        return answer;
    }
    audit::login(&audit.party(&session), client.0, &asked);
    if wants_json(&headers) {
        return Json(describe(&session)).into_response();
    }
    StatusCode::NO_CONTENT.into_response()
}

/// Browsers' `fetch` says `*/*` by itself: only who names JSON gets it.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|line| line.split(','));
    kinds.any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("application/json")
    })
}
