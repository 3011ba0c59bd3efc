//! Beside tower-sessions: this crate checks the token, your session remembers who it was.
//!
//! ```text
//! cargo run --example tower_sessions [ADDRESS]
//! ```
//!
//! For services that have sessions already and want no second cookie.
#![expect(clippy::print_stdout, reason = "an example prints what to try")]

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_didt::testing::Wallet;
use tower_didt::{
    DidAuth, Issuer, MemoryStore as UsedTokens, OnceOnly, Replay, Session as Caller, Verifier,
};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

const CLIENT_ID: &str = "did:magic:my-app";

/// Where in the session the caller's identity is kept.
const ISSUER: &str = "issuer";

fn app() -> Router {
    // Every token signs in once; the sessions are tower-sessions'.
    let auth = DidAuth::new(Verifier::new(CLIENT_ID))
        .with_store(OnceOnly::new(UsedTokens::new()))
        .with_replay(Replay::SingleUse);
    Router::new()
        .route("/login", post(login))
        .route_layer(auth.layer())
        .route("/me", get(me))
        .route("/logout", post(logout))
        .layer(SessionManagerLayer::new(MemoryStore::default()))
}

/// The layer has checked the token: `caller` is who signed it.
async fn login(caller: Caller, session: Session) -> Result<String, StatusCode> {
    // A new id, so that nobody who knew the old one is signed in along with the caller;
    // and nothing left of whoever was signed in before.
    session.clear().await;
    session.cycle_id().await.map_err(unavailable)?;
    session.insert(ISSUER, caller.issuer()).await.map_err(unavailable)?;
    Ok(format!("welcome, {}\n", caller.issuer()))
}

async fn me(session: Session) -> Result<String, StatusCode> {
    let issuer: Option<Issuer> = session.get(ISSUER).await.map_err(unavailable)?;
    let issuer = issuer.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(format!("you are {issuer}\n"))
}

async fn logout(session: Session) -> Result<(), StatusCode> {
    session.flush().await.map_err(unavailable)
}

fn unavailable(error: tower_sessions::session::Error) -> StatusCode {
    println!("the session store failed: {error}");
    StatusCode::SERVICE_UNAVAILABLE
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    let token = Wallet::from_seed("alice").token(CLIENT_ID).mint();
    println!("curl -sS -i -X POST -H 'Authorization: Bearer {token}' {url}/login");
    Ok(axum::serve(listener, app()).await?)
}
