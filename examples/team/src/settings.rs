//! What the environment says.

use std::env;

use tower_didt::Issuer;

use crate::stand_in;

pub struct Settings {
    /// Of the members and of their sessions: `sqlite:…` or `postgres://…`.
    pub database_url: String,
    pub listen: String,
    /// Your application at Magic; without it, a stand-in signs for whoever comes.
    pub magic: Option<Magic>,
    /// Who is an administrator from their next sign-in on, whatever the table says.
    pub administrator: Option<Issuer>,
}

pub struct Magic {
    pub client_id: String,
    pub publishable_key: String,
}

impl Settings {
    pub fn from_env() -> Result<Self, String> {
        let magic = match (read("MAGIC_CLIENT_ID"), read("MAGIC_PUBLISHABLE_KEY")) {
            (Some(client_id), Some(publishable_key)) => Some(Magic { client_id, publishable_key }),
            (None, None) => None,
            _ => return Err("set both MAGIC_CLIENT_ID and MAGIC_PUBLISHABLE_KEY".to_owned()),
        };
        let administrator = match (read("ADMINISTRATOR"), &magic) {
            (Some(issuer), _) => {
                Some(issuer.parse().map_err(|error| format!("ADMINISTRATOR: {error}"))?)
            }
            (None, None) => Some(stand_in::wallet(stand_in::ADMIN).issuer()),
            // Nobody knows their own issuer before they have signed in once.
            (None, Some(_)) => None,
        };
        Ok(Self {
            database_url: read("DATABASE_URL").unwrap_or("sqlite:team.sqlite".to_owned()),
            listen: read("LISTEN").unwrap_or("127.0.0.1:3000".to_owned()),
            magic,
            administrator,
        })
    }

    /// The audience of tokens.
    pub fn client_id(&self) -> &str {
        self.magic.as_ref().map_or(stand_in::CLIENT_ID, |magic| &magic.client_id)
    }
}

fn read(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
