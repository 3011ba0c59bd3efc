//! For browsers and clients: sign in, sign out, look at one's sessions.
//!
//! All of it is below `listen.prefix`, by default `/auth`:
//!
//! | Request | Answer |
//! |---|---|
//! | `POST /auth/login` with a DID token | 204 and the cookie; JSON if `Accept` asks for it |
//! | `POST /auth/logout`, `?everywhere=1` | 204, the cookie is cleared; a form is led on with 303 |
//! | `GET /auth/session` | who is signed in, as JSON |
//! | `GET /auth/sessions`, `?cursor=…&limit=…` | a page of this issuer's sessions, and the cursor of the `next` |
//! | `DELETE /auth/sessions/{handle}` | ends one of them |
//! | `POST /auth/challenge` | a challenge for bound login |
//! | `GET /auth/jwks.json` | the public key of assertions |
//! | `GET /auth/sign-in`, `/auth/callback`, `/auth/sign-out`, `/auth/refused` | the library's pages, where `[sign_in]` is set |

mod jwks;
mod leads;
mod login;
mod logout;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_didt::layer::RejectedIssuer;
use tower_didt::magic::Magic;
use tower_didt::page::SignInPage;
use tower_didt::{Clock, DidAuth, Rejection, Session, SessionRecord, StoreError};

pub(crate) use self::leads::Leads;
use super::assertion::Signer;
use super::audit::{self, Asked, Audit, Party};
use super::denial_reason;
use super::peer::Client;

/// The keys of assertions, and the time that says which of them are published.
pub(crate) type Keys = (Arc<Signer>, Arc<dyn Clock>);

/// Where `renews`, who signs in again gets a new session, which rules may ask for. Else the one
/// that there is stays: requests on their way with its cookie would be refused.
/// With `signing_out`'s Magic, signing out ends Magic's session too; people are led on from there.
pub(crate) fn router(
    auth: &DidAuth,
    prefix: &str,
    renews: bool,
    keys: Option<Keys>,
    page: Option<SignInPage>,
    signing_out: (Option<Magic>, Leads),
) -> Router {
    // Nobody is signed in by asking who they are, or by signing out; nor by the wrong method:
    // the layers stand around the handlers alone.
    let known = || auth.layer().without_sign_in();
    let sign_in = if renews { auth.layer().signing_in_anew() } else { auth.layer() };
    let challenges = auth.clone();
    let at = |name: &str| format!("{prefix}/{name}");
    let mut router = Router::new()
        .route(&at("login"), post(login::login).route_layer(sign_in))
        .route(
            &at("logout"),
            post(logout::logout)
                .with_state(signing_out)
                .route_layer(DefaultBodyLimit::max(logout::MAX_FORM_LEN))
                .route_layer(known().optional()),
        )
        .route(&at("session"), get(sessions::current).route_layer(known()))
        .route(&at("sessions"), get(sessions::list).route_layer(known()))
        .route(&at("sessions/{handle}"), delete(sessions::end).route_layer(known()))
        .route(&at("challenge"), post(async move || challenges.challenge()));
    router = router.merge(self::keys(prefix, keys));
    if let Some(page) = page {
        for name in ["sign-in", "callback", "sign-out", "refused", "signed-in"] {
            router = router.route_service(&at(name), page.clone());
        }
        router = router.route_service(&at("{file}"), page);
    }
    router.layer(middleware::from_fn(watch))
}

/// The public keys of assertions, where there are assertions.
pub(crate) fn keys(prefix: &str, keys: Option<Keys>) -> Router {
    let Some(keys) = keys else { return Router::new() };
    let keys = get(jwks::serve).with_state(keys);
    Router::new().route(&format!("{prefix}/jwks.json"), keys)
}

/// The answer to a request whose host no site has, or that names several hosts (RFC 9110 section 15.5.20).
pub(crate) async fn misdirected(request: Request) -> Response {
    let client = client(&request);
    let (mut parts, _) = request.into_parts();
    let Ok(asked) = Asked::from_request_parts(&mut parts, &()).await;
    audit::refusal(UNKNOWN_HOST, None, client.0, "auth", &asked);
    let mut response = error(StatusCode::MISDIRECTED_REQUEST, UNKNOWN_HOST);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The reason where no site has the host.
pub(crate) const UNKNOWN_HOST: &str = "unknown_host";

/// Writes down refusals and what the page did, and keeps answers about one visitor out of caches.
async fn watch(request: Request, next: Next) -> Response {
    let client = client(&request);
    let audit = request.extensions().get::<Audit>().copied();
    let (mut parts, body) = request.into_parts();
    let Ok(asked) = Asked::from_request_parts(&mut parts, &()).await;
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(rejection) = response.extensions().get::<Rejection>()
        && !matches!(rejection, Rejection::MissingCredentials)
    {
        let rejected = response.extensions().get::<RejectedIssuer>();
        let who = rejected.map(|rejected| Party::known_by(rejected.0));
        audit::refusal(rejection.name(), who.as_ref(), client.0, "auth", &asked);
    }
    let reason = response.extensions().get().and_then(denial_reason::of);
    denial_reason::write(response.headers_mut(), reason);
    // The page's own answers: it knows nothing of this log.
    if let (Some(audit), Some(session)) = (audit, response.extensions().get::<Session>()) {
        let who = audit.party(session);
        match asked.path.as_deref().and_then(|path| path.rsplit('/').next()) {
            Some("sign-in") => audit::login(&who, client.0, &asked),
            Some("sign-out") => audit::sign_out(&who, session.handle(), false, client.0, &asked),
            _ => {}
        }
    }
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
    response
}

fn client(request: &Request) -> Client {
    request.extensions().get::<Client>().copied().unwrap_or(Client(None))
}

/// A session, as its owner sees it. A handle is not a secret: it opens nothing.
fn describe(session: &Session) -> Value {
    let mut described = json!({
        "issuer": session.issuer(),
        "address": session.address().to_string(),
        // Nothing where a token authenticates its request alone.
        "session": session.handle(),
        "created": session.created_at().as_secs(),
        "expires": session.expires_at().as_secs(),
    });
    if let (Some(user), Value::Object(members)) = (session.magic_user(), &mut described) {
        members.insert("email".to_owned(), json!(user.email()));
        members.insert("phone_number".to_owned(), json!(user.phone_number()));
        members.insert("oauth_provider".to_owned(), json!(user.oauth_provider()));
        members.insert("username".to_owned(), json!(user.username()));
    }
    described
}

/// The same in a list.
fn describe_listed(record: &SessionRecord, current: bool) -> Value {
    json!({
        "session": record.handle,
        "created": record.created_at.as_secs(),
        "last_seen": record.last_seen.as_secs(),
        "expires": record.expires_at.as_secs(),
        "current": current,
    })
}

/// A store that cannot answer is a 503; one that does not know what it is asked, a 501.
#[derive(Debug)]
struct StoreFault(StoreError);

impl From<StoreError> for StoreFault {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for StoreFault {
    fn into_response(self) -> Response {
        if matches!(self.0, StoreError::Unsupported) {
            return error(StatusCode::NOT_IMPLEMENTED, "not_implemented");
        }
        tracing::error!(error = %self.0, "store failed");
        let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        response
    }
}

/// 401 with this challenge (RFC 6750 section 3).
fn unauthorized(word: &str, challenge: &'static str) -> Response {
    let mut response = error(StatusCode::UNAUTHORIZED, word);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// The challenge for requests without credentials.
const PLAIN_CHALLENGE: &str = "Bearer realm=\"magic\"";

/// `{"error":"…"}`, as the layer's own rejections have it.
fn error(status: StatusCode, word: &str) -> Response {
    (status, axum::Json(json!({ "error": word }))).into_response()
}

#[cfg(test)]
mod tests;
