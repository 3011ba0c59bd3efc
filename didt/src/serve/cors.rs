//! CORS (Fetch standard, section 3.2) for pages of `trusted_origins`: what they need to sign in
//! from another origin, and to read why they were refused. Pages of other origins get none of it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tower_didt::{Origin, TrustedOrigin};

/// Methods of the endpoints for browsers.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// What a page sends them beyond what needs no permission.
const HEADERS: HeaderValue = HeaderValue::from_static("authorization, content-type, didt-remember");

/// What a page may read beyond what needs no permission: why it was refused, and when to try again.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("www-authenticate, retry-after, x-auth-reason");

/// For how many seconds a browser may remember a preflight: the settings may change meanwhile.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const TRUE: HeaderValue = HeaderValue::from_static("true");

const BY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");

/// The origins whose pages may read answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cors(Arc<[TrustedOrigin]>);

impl Cors {
    /// From origins that the settings have checked; an invalid one is skipped.
    pub(crate) fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| origin.parse().ok()).collect())
    }

    /// The origin that a request names, if it names one, and that is trusted.
    pub(crate) fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut values = headers.get_all(ORIGIN).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let origin: Origin = value.to_str().ok()?.parse().ok()?;
        self.0.iter().any(|trusted| trusted.matches(&origin)).then(|| value.clone())
    }

    /// Lets a page of this origin read an answer. Where there are trusted origins, every answer
    /// says that it depends on the origin, so that no cache gives one page's to another.
    pub(crate) fn write(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        headers.append(VARY, BY_ORIGIN);
        let Some(origin) = origin else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Answers preflights of trusted origins, and lets their pages read all other answers.
pub(crate) async fn share(State(cors): State<Cors>, request: Request, next: Next) -> Response {
    let origin = cors.allowed(request.headers());
    let preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight && origin.is_some() {
        let headers = [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    } else {
        next.run(request).await
    };
    cors.write(origin, response.headers_mut());
    response
}
