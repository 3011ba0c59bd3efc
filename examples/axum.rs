//! axum: a route to sign in at, one for members, one for everybody, one to sign out.
//!
//! ```text
//! cargo run --example axum [ADDRESS]
//! ```
#![expect(clippy::print_stdout, reason = "an example prints what to try")]

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_didt::testing::Wallet;
use tower_didt::{DidAuth, Session, StoreError, Verifier};

const CLIENT_ID: &str = "did:magic:my-app";

fn app() -> Router {
    let auth = DidAuth::new(Verifier::new(CLIENT_ID));
    // Succeeds only with a session: a token that was used before is a 401.
    let sign_in =
        Router::new().route("/sign-in", post(me)).route_layer(auth.layer().session_only());
    Router::new()
        .route("/me", get(me))
        .route("/sign-out", post(sign_out))
        .route_layer(auth.layer())
        .merge(sign_in)
        .merge(Router::new().route("/", get(home)).route_layer(auth.layer().optional()))
}

async fn me(session: Session) -> String {
    format!("you are {}\n", session.issuer())
}

async fn home(session: Option<Session>) -> String {
    session.map_or_else(|| "hello, stranger\n".to_owned(), |s| format!("hello, {}\n", s.address()))
}

async fn sign_out(session: Session) -> Result<(), StoreError> {
    session.sign_out().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    // In production: behind HTTPS. Browsers and curl take a `Secure` cookie over
    // plain HTTP from this machine only.
    println!("listening on {url}");
    let token = Wallet::from_seed("alice").token(CLIENT_ID).mint();
    println!("curl -sS -i -X POST -H 'Authorization: Bearer {token}' {url}/sign-in");
    Ok(axum::serve(listener, app()).await?)
}
