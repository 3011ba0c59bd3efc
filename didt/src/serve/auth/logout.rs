//! `POST /auth/logout`: ends this session, or with `?everywhere=1` all of this issuer's.

use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use tower_didt::Session;
use tower_didt::magic::Magic;

use super::super::audit::{self, Asked, Audit};
use super::super::peer::Client;
use super::{PLAIN_CHALLENGE, StoreFault, unauthorized};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extent {
    #[serde(default)]
    everywhere: Switch,
}

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
enum Switch {
    #[default]
    #[serde(rename = "0", alias = "false")]
    Off,
    #[serde(rename = "1", alias = "true")]
    On,
}

/// Signing out when nobody is signed in is not an error: the layer clears an invalid cookie. Ending
/// sessions elsewhere takes a signed-in caller.
pub(super) async fn logout(
    State(magic): State<Option<Magic>>,
    Extension(client): Extension<Client>,
    Extension(audit): Extension<Audit>,
    asked: Asked,
    Query(extent): Query<Extent>,
    session: Option<Session>,
) -> Result<Response, StoreFault> {
    let everywhere = extent.everywhere == Switch::On;
    let Some(session) = session else {
        if everywhere {
            return Ok(unauthorized("unauthorized", PLAIN_CHALLENGE));
        }
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    if everywhere {
        session.sign_out_everywhere().await?;
    } else {
        session.sign_out().await?;
    }
    audit::sign_out(&audit.party(&session), session.handle(), everywhere, client.0, &asked);
    // The own session first, and whatever becomes of Magic's: it may have ended by itself.
    // A key that is nobody's has no session there.
    if let Some(magic) = magic
        && !session.is_unknown_to_magic()
        && let Err(error) = magic.sign_out(session.issuer()).await
    {
        tracing::warn!(%error, "signed out here, but not at Magic");
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
