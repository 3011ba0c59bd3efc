//! What administrators can do: see an issuer's sessions, and end them.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde::{Deserialize, Serialize};
use tower_didt::magic::Email;
use tower_didt::store::{IssuerCursor, PageRequest};
use tower_didt::{DidAuth, Issuer, SessionHandle, SessionRecord, StoreError, Timestamp};

use super::bearer::{Guard, administrators_only};
use crate::serve::audit::{self, Asked, Audit};
use crate::serve::config::Secret;
use crate::serve::page;
use crate::serve::peer::Peer;
use crate::serve::preview::{NoPreview, Preview};
use crate::serve::sites::{SiteName, Sites};

/// The sites, by their names.
type Known = Arc<Sites<DidAuth>>;

pub(super) fn routes(
    sites: &Sites<DidAuth>,
    secret: &Secret,
    audit: Audit,
    preview: Option<Preview>,
) -> Router {
    let router = match preview {
        Some(preview) => {
            Router::new().route("/admin/changes", get(changes).layer(Extension(preview)))
        }
        None => Router::new(),
    };
    router
        .route("/admin/sites", get(names))
        .route("/admin/issuers", get(issuers))
        .route("/admin/sessions", get(sessions))
        .route("/admin/revoke", post(revoke).layer(Extension(audit)))
        // Of the routes alone, and before anything else is looked at.
        .route_layer(middleware::from_fn_with_state(Guard::new(secret), administrators_only))
        .with_state(Arc::new(sites.clone()))
}

/// Unknown and repeated keys are refused, so that mistyping `session` does not end all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Whose {
    issuer: Option<Issuer>,
    email: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
    site: Option<SiteName>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    /// None where all sites are meant, or the only one.
    site: Option<SiteName>,
    issuer: Issuer,
    session: Option<SessionHandle>,
}

/// What is shown of a session. Not the application's data.
#[derive(Serialize)]
struct Shown {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteName>,
    issuer: Issuer,
    session: SessionHandle,
    /// By Magic's word when the session began; `null` without `[magic]` or if there is none.
    email: Option<Email>,
    created_at: Timestamp,
    last_seen: Timestamp,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Sessions {
    /// Whose they are, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<Issuer>,
    sessions: Vec<Shown>,
    /// Where the next page begins; `null` on the last.
    next: Option<String>,
}

#[derive(Serialize)]
struct Revoked {
    /// Where; none where all sites were meant, or there is only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteName>,
    issuer: Issuer,
    /// None where all were meant.
    session: Option<SessionHandle>,
    /// Whether there was anything to end; of all sessions, whether they are ended: always.
    revoked: bool,
}

impl Shown {
    fn new(site: Option<&SiteName>, record: &SessionRecord) -> Self {
        let user = DidAuth::magic_user_of(record);
        Self {
            site: site.cloned(),
            issuer: record.issuer,
            session: record.handle,
            email: user.and_then(|user| user.email().cloned()),
            created_at: record.created_at,
            last_seen: record.last_seen,
            expires_at: record.expires_at,
        }
    }
}

/// What a reload would change, one entry for each setting and rule.
#[derive(Serialize)]
struct Changed {
    changes: Vec<ShownChange>,
}

#[derive(Serialize)]
struct ShownChange {
    /// A key, `rule "name"`, or `rules` for their order.
    what: String,
    needs_restart: bool,
    /// For people. A secret is not shown.
    text: String,
}

/// Reads the settings as SIGHUP would, and changes nothing.
async fn changes(Extension(preview): Extension<Preview>) -> Response {
    match preview.look().await {
        Ok(found) => {
            let changes = found.iter().map(|change| ShownChange {
                what: change.name(),
                needs_restart: change.needs_restart,
                text: change.to_string(),
            });
            uncached(Json(Changed { changes: changes.collect() }))
        }
        Err(NoPreview::Invalid(message)) => {
            let body = serde_json::json!({ "error": "invalid_settings", "message": message });
            uncached((StatusCode::UNPROCESSABLE_ENTITY, Json(body)))
        }
        Err(NoPreview::Busy) => {
            let body = serde_json::json!({ "error": "temporarily_unavailable" });
            uncached((StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "5")], Json(body)))
        }
    }
}

/// As far as an issuer's sessions are counted, about: more than the default limit, and little work where
/// there is none.
const MOST_COUNTED: usize = 1000;

/// An issuer that has sessions, and whose e-mail address the newest of them has.
#[derive(Serialize)]
struct Somebody {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<SiteName>,
    issuer: Issuer,
    email: Option<Email>,
    /// Up to [`MOST_COUNTED`].
    sessions: usize,
}

#[derive(Serialize)]
struct Somebodies {
    issuers: Vec<Somebody>,
    next: Option<String>,
}

/// The names of sites; none where the only one has no name.
#[derive(Serialize)]
struct Names {
    sites: Vec<SiteName>,
}

async fn names(State(sites): State<Known>) -> Response {
    let sites = sites.iter().filter_map(|(named, _)| Some(named?.name.clone())).collect();
    uncached(Json(Names { sites }))
}

async fn sessions(
    State(sites): State<Known>,
    query: Result<Query<Whose>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(query) = query?;
    let site = query.site.clone();
    let auth = sites.named(site.as_ref()).ok_or(Failure::Query)?;
    let shown = |record: &Arc<SessionRecord>| Shown::new(site.as_ref(), record);
    match query {
        Whose { issuer: Some(issuer), email: None, cursor, limit, .. } => {
            let request = page::request(cursor.as_deref(), limit).ok_or(Failure::Query)?;
            let page = auth.sessions_of(issuer, request).await?;
            let sessions = page.sessions.iter().map(shown).collect();
            let next = page.next.map(|cursor| cursor.to_string());
            Ok(uncached(Json(Sessions { issuer: Some(issuer), sessions, next })))
        }
        Whose { issuer: None, email: Some(email), cursor, limit: None, .. } => {
            let email: Email = email.parse().map_err(|_| Failure::Query)?;
            let page = auth.issuers(cursor_of(cursor)?).await?;
            let mut sessions = Vec::new();
            for issuer in page.issuers {
                let of_issuer = auth.sessions_of(issuer, PageRequest::first()).await?;
                let all = of_issuer.sessions.iter().map(shown);
                sessions.extend(all.filter(|shown| shown.email.as_ref() == Some(&email)));
            }
            let next = page.next.map(|cursor| cursor.to_string());
            Ok(uncached(Json(Sessions { issuer: None, sessions, next })))
        }
        _ => Err(Failure::Query),
    }
}

/// Everybody who has a session, about a hundred at a time.
async fn issuers(
    State(sites): State<Known>,
    query: Result<Query<Where>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Where { cursor, site }) = query?;
    let auth = sites.named(site.as_ref()).ok_or(Failure::Query)?;
    let page = auth.issuers(cursor_of(cursor)?).await?;
    let mut issuers = Vec::with_capacity(page.issuers.len());
    for issuer in page.issuers {
        let (mut count, mut newest, mut request) = (0, None, PageRequest::first());
        while count < MOST_COUNTED {
            let page = auth.sessions_of(issuer, request).await?;
            count += page.sessions.len();
            newest = page.sessions.last().map(|last| Shown::new(site.as_ref(), last)).or(newest);
            let Some(cursor) = page.next else { break };
            request = PageRequest::after(cursor);
        }
        // All may have expired.
        let email = |newest: Shown| {
            let Shown { site, email, .. } = newest;
            Somebody { site, issuer, email, sessions: count }
        };
        issuers.extend(newest.map(email));
    }
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(uncached(Json(Somebodies { issuers, next })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Where {
    cursor: Option<String>,
    site: Option<SiteName>,
}

fn cursor_of(text: Option<String>) -> Result<Option<IssuerCursor>, Failure> {
    text.map(|text| text.parse().map_err(|_| Failure::Query)).transpose()
}

async fn revoke(
    State(sites): State<Known>,
    peer: Option<Extension<Peer>>,
    Extension(audit): Extension<Audit>,
    asked: Asked,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Which { site, issuer, session }) = query?;
    // Nothing stands in front of this listener: who connects is who asks.
    let client = match peer {
        Some(Extension(Peer::Ip(address))) => Some(address),
        Some(Extension(Peer::Unix)) | None => None,
    };
    if site.is_some() && sites.named(site.as_ref()).is_none() {
        return Err(Failure::Query);
    }
    let mut revoked = false;
    for (named, auth) in sites.iter() {
        let name = named.map(|named| &named.name);
        if site.is_some() && site.as_ref() != name {
            continue;
        }
        // Once they are ended, nobody can say any more whose they were.
        let whose = audit.owner(issuer, || email_of(auth, issuer, session)).await;
        let found = match session {
            Some(handle) => auth.revoke(issuer, handle).await?,
            None => auth.sign_out_everywhere(issuer).await.map(|()| true)?,
        };
        if found {
            let asked = Asked { site: name.cloned(), ..asked.clone() };
            audit::revoked(&whose, session, client, &asked);
        }
        revoked |= found;
    }
    Ok(uncached(Json(Revoked { site, issuer, session, revoked })))
}

/// The address that the session has, or the newest of the issuer's. A store that does not say keeps
/// nobody from revoking.
async fn email_of(auth: &DidAuth, issuer: Issuer, session: Option<SessionHandle>) -> Option<Email> {
    let (mut seen, mut newest, mut request) = (0, None, PageRequest::first());
    while seen < MOST_COUNTED {
        let page = auth.sessions_of(issuer, request).await.ok()?;
        seen += page.sessions.len();
        let wanted = page.sessions.iter().find(|record| Some(record.handle) == session);
        if let Some(wanted) = wanted {
            return Shown::new(None, wanted).email;
        }
        newest = page.sessions.last().map(|record| Shown::new(None, record).email).or(newest);
        let Some(cursor) = page.next else { break };
        request = PageRequest::after(cursor);
    }
    newest.flatten()
}

/// What could not be done.
enum Failure {
    Query,
    Store(StoreError),
}

impl From<QueryRejection> for Failure {
    fn from(_: QueryRejection) -> Self {
        Self::Query
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Query => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Store(StoreError::Unsupported) => (StatusCode::NOT_IMPLEMENTED, "unsupported"),
            Self::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable"),
        };
        let mut response = uncached((status, Json(serde_json::json!({ "error": error }))));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

fn uncached(response: impl IntoResponse) -> Response {
    ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], response).into_response()
}
