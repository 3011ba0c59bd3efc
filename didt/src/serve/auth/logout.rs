//! `POST /auth/logout`: ends this session, or with `everywhere=1` all of this issuer's.
//!
//! For programs, and for forms of pages: a person who sent one is led on to a page. The layer around
//! it has checked where the request comes from.

use axum::Form;
use axum::extract::{Extension, FromRequest, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION, ORIGIN};
use http::{HeaderMap, Method, StatusCode};
use serde::Deserialize;
use tower_didt::Session;
use tower_didt::layer::is_navigation;
use tower_didt::magic::Magic;

use super::super::audit::{self, Asked, Audit};
use super::super::peer::Client;
use super::leads::Leads;
use super::{PLAIN_CHALLENGE, StoreFault, error, unauthorized};

/// The most bytes of a form: a return address of 2 KiB, each byte of it escaped, and the rest.
pub(super) const MAX_FORM_LEN: usize = 8 * 1024;

/// What the query asks for, or the form.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Extent {
    everywhere: Option<Switch>,
    rd: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
enum Switch {
    #[serde(rename = "0", alias = "false")]
    Off,
    #[serde(rename = "1", alias = "true")]
    On,
}

impl Extent {
    /// What is in the query or in the form. What is in both is in neither: each reader of such a
    /// request could take another one.
    async fn of(request: Request) -> Option<Self> {
        let Query(query) = Query::<Self>::try_from_uri(request.uri()).ok()?;
        let form = match is_form(request.headers()) {
            true => Form::<Self>::from_request(request, &()).await.ok()?.0,
            false => Self::default(),
        };
        let twice = (query.everywhere.is_some() && form.everywhere.is_some())
            || (query.rd.is_some() && form.rd.is_some());
        let (everywhere, rd) = (query.everywhere.or(form.everywhere), query.rd.or(form.rd));
        (!twice).then_some(Self { everywhere, rd })
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Signing out when nobody is signed in is not an error: the layer clears an invalid cookie. Ending
/// sessions elsewhere takes a signed-in caller.
pub(super) async fn logout(
    State((magic, leads)): State<(Option<Magic>, Leads)>,
    Extension(client): Extension<Client>,
    Extension(audit): Extension<Audit>,
    asked: Asked,
    session: Option<Session>,
    request: Request,
) -> Result<Response, StoreFault> {
    let (uri, mut headers) = (request.uri().clone(), request.headers().clone());
    // Browsers name the page that a form is on; of a `GET` it would say that a script made it.
    headers.remove(ORIGIN);
    let Some(extent) = Extent::of(request).await else {
        return Ok(error(StatusCode::BAD_REQUEST, "invalid_request"));
    };
    let answer = || match is_navigation(&Method::GET, &headers) {
        true => {
            let location = leads.to(extent.rd.as_deref(), &uri, &headers);
            (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
        }
        false => StatusCode::NO_CONTENT.into_response(),
    };
    let everywhere = extent.everywhere == Some(Switch::On);
    let Some(session) = session else {
        if everywhere {
            return Ok(unauthorized("unauthorized", PLAIN_CHALLENGE));
        }
        return Ok(answer());
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
    Ok(answer())
}
