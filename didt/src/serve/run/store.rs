//! What is done about the store once it has been opened: tables, and warnings about its server.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio::time::sleep;
use tower_didt::StoreError;
use tracing::{info, warn};

use crate::serve::did_auth::Client;

/// How long to wait before tables are tried again that could not be made.
const PAUSE: Duration = Duration::from_secs(2);

/// Makes tables if that is wanted, and warns about settings of the server that cost sessions. Until
/// then every check that needs the store is answered with 503, and `/readyz` too.
pub(super) async fn prepare(client: Client) {
    until_tables_are_made(&client).await;
    match client {
        Client::Redis(redis) => say("Redis", redis.check().await),
        Client::Postgres { store, .. } => say("PostgreSQL", store.check().await),
        Client::Sqlite { .. } => {}
    }
}

async fn until_tables_are_made(client: &Client) {
    let name = match client {
        Client::Postgres { migrate: true, .. } => "PostgreSQL",
        Client::Sqlite { migrate: true, .. } => "SQLite",
        Client::Redis(_) | Client::Postgres { .. } | Client::Sqlite { .. } => return,
    };
    let mut has_warned = false;
    while let Err(error) = client.make_tables().await {
        if !has_warned {
            let reason = error.source().map(ToString::to_string);
            warn!(reason, "{name} does not let the tables be made or checked yet");
        }
        has_warned = true;
        sleep(PAUSE).await;
    }
    info!("the tables in {name} are up to date");
}

/// What a server is set to that costs sessions, and whether it is there at all.
fn say<W: fmt::Display>(name: &str, checked: Result<Vec<W>, StoreError>) {
    match checked {
        Ok(warnings) => {
            for warning in warnings {
                warn!(%warning, "{name} is not set up for sessions");
            }
        }
        Err(error) => warn!(%error, "{name} does not answer yet"),
    }
}
