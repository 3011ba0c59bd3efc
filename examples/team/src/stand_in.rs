//! In place of Magic, so that the application can be tried without an account: a script for the
//! sign-in page, and a wallet for whatever e-mail address is typed. **It proves nothing.** Where
//! there are keys of Magic's, none of it is served. Delete it in an application of your own.

use axum::Router;
use axum::extract::Form;
use axum::routing::post;
use serde::Deserialize;
use tower_didt::testing::Wallet;

use crate::settings::Settings;

pub const CLIENT_ID: &str = "did:magic:stand-in";

/// Who is an administrator here.
pub const ADMIN: &str = "admin@example.com";

pub const SCRIPT: &str = include_str!("stand_in.js");

pub fn wallet(email: &str) -> Wallet {
    Wallet::from_seed(email)
}

pub fn router(settings: &Settings) -> Router {
    match settings.magic {
        Some(_) => Router::new(),
        None => Router::new().route("/stand-in/token", post(token)),
    }
}

#[derive(Deserialize)]
struct Wanted {
    email: String,
    attachment: String,
}

/// As Magic's SDK does in the browser: a token for this address and this sign-in.
async fn token(Form(wanted): Form<Wanted>) -> String {
    wallet(&wanted.email).token(CLIENT_ID).attachment(&wanted.attachment).mint()
}
