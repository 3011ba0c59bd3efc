// The README's service as its authors would write it with axum-login: who knows the password signs in.

use std::convert::Infallible;

use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{MemoryStore, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};

#[derive(Clone, Debug)]
struct User(String);

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.0.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[derive(Clone)]
struct Backend;

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = std::collections::HashMap<String, String>;
    type Error = Infallible;

    async fn authenticate(&self, mut given: Self::Credentials) -> Result<Option<User>, Infallible> {
        Ok(given.remove("name").map(User))
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Infallible> {
        Ok(Some(User(id.clone())))
    }
}

type AuthSession = axum_login::AuthSession<Backend>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let sessions = SessionManagerLayer::new(MemoryStore::default());
    let auth = AuthManagerLayerBuilder::new(Backend, sessions).build();
    let app = Router::new()
        .route("/me", get(me))
        .route_layer(login_required!(Backend))
        .route("/sign-in", post(sign_in))
        .layer(auth);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    axum::serve(listener, app).await
}

async fn me(auth: AuthSession) -> String {
    auth.user.map(|user| user.0).unwrap_or_default()
}

async fn sign_in(mut auth: AuthSession, Form(given): Form<std::collections::HashMap<String, String>>) -> StatusCode {
    match auth.authenticate(given).await {
        Ok(Some(user)) if auth.login(&user).await.is_ok() => StatusCode::NO_CONTENT,
        Ok(_) => StatusCode::UNAUTHORIZED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
