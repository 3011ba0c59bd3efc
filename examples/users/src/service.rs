//! The routes, and who may use them.

use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tower_didt::{DidAuth, Issuer, Login, Refusal, Session, StoreError, Verifier};

use crate::users::{User, Users};

#[derive(Clone)]
pub struct Service {
    users: Users,
    auth: DidAuth,
    administrator: Issuer,
}

pub fn router(client_id: &str, administrator: Issuer, users: Users) -> Router {
    let table = users.clone();
    let auth = DidAuth::new(Verifier::new(client_id))
        .with_on_sign_in(move |login: Login| admit(table.clone(), login));
    // Succeeds only with a session: a token that was used before is a 401.
    let sign_in =
        Router::new().route("/sign-in", post(profile)).route_layer(auth.layer().session_only());
    Router::new()
        .route("/profile", get(profile).put(rename))
        .route("/sign-out", post(sign_out))
        .route("/users/{issuer}/ban", post(ban))
        .route_layer(auth.layer())
        .merge(sign_in)
        .with_state(Service { users, auth, administrator })
}

/// The hook: called once per sign-in, before there is a session.
async fn admit(users: Users, login: Login) -> Result<(), Refusal> {
    match users.sign_in(login.issuer()).await {
        Ok(user) if user.banned => Err(Refusal::forbidden()),
        // Nothing is attached to the session, because the table may change.
        Ok(_) => Ok(()),
        // 503, and the token is not used up.
        Err(_) => Err(Refusal::unavailable()),
    }
}

/// Gives handlers a `User` in its current state.
impl FromRequestParts<Service> for User {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Response> {
        let session = Session::from_request_parts(parts, service).await;
        let session = session.map_err(IntoResponse::into_response)?;
        match service.users.find(session.issuer()).await {
            Ok(Some(user)) if !user.banned => Ok(user),
            Ok(_) => Err(StatusCode::FORBIDDEN.into_response()),
            Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE.into_response()),
        }
    }
}

async fn profile(user: User) -> Json<User> {
    Json(user)
}

async fn rename(State(service): State<Service>, user: User, name: String) -> StatusCode {
    match service.users.rename(&user, &name).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn sign_out(session: Session) -> Result<(), StoreError> {
    session.sign_out().await
}

async fn ban(
    State(service): State<Service>,
    session: Session,
    Path(issuer): Path<Issuer>,
) -> Result<StatusCode, StoreError> {
    if session.issuer() != service.administrator {
        return Ok(StatusCode::FORBIDDEN);
    }
    // The row comes first: from now on, this user cannot sign in. Then the existing sessions,
    // because the hook is not called for living sessions.
    match service.users.ban(issuer).await {
        Ok(true) => service.auth.sign_out_everywhere(issuer).await?,
        Ok(false) => return Ok(StatusCode::NOT_FOUND),
        Err(_) => return Ok(StatusCode::SERVICE_UNAVAILABLE),
    }
    Ok(StatusCode::NO_CONTENT)
}
