//! axum with a table of users, keyed by issuer. Told in docs/users-in-a-database.md.
//!
//! ```text
//! cargo run -p tower-didt-users [ADDRESS] [DATABASE FILE]
//! ```

mod service;
mod users;

use std::env;
use std::error::Error;

use tokio::net::TcpListener;
use tower_didt::testing::Wallet;

use crate::users::Users;

const CLIENT_ID: &str = "did:magic:my-app";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let file = args.next().unwrap_or_else(|| "users.sqlite".to_owned());

    // A test wallet, so that this can be tried. Yours is the issuer of your own account.
    let administrator = Wallet::from_seed("administrator");
    let alice = Wallet::from_seed("alice");
    let app = service::router(CLIENT_ID, administrator.issuer(), Users::open(file).await?);

    let listener = TcpListener::bind(address).await?;
    let url = format!("http://{}", listener.local_addr()?);
    println!("listening on {url}");
    let bearer =
        |wallet: &Wallet| format!("'Authorization: Bearer {}'", wallet.token(CLIENT_ID).mint());
    println!("curl -sS -i -X POST -H {} {url}/sign-in", bearer(&alice));
    println!(
        "curl -sS -i -X POST -H {} {url}/users/{}/ban",
        bearer(&administrator),
        alice.issuer()
    );
    Ok(axum::serve(listener, app).await?)
}
