//! Which request gets what.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;

use super::redirect::authority;
use super::rendered::{Rendered, View};
use super::settings::Settings;
use super::{ReturnTo, reason};
use crate::middleware::{AuthBody, DidLayer, Rejection, Session};

type Answer = Response<AuthBody<Full<Bytes>>>;

/// The most bytes of a query that is read for the way back.
const MAX_QUERY_LEN: usize = 8 * 1024;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Seconds after which a store that did not answer is asked again.
const RETRY_SECONDS: u64 = 5;

enum Route {
    SignIn,
    Callback,
    SignOut,
    Refused,
    Challenge,
    Session,
    File,
}

impl Route {
    fn of(path: &str) -> Self {
        match path {
            "sign-in" => Self::SignIn,
            "callback" => Self::Callback,
            "sign-out" => Self::SignOut,
            "refused" => Self::Refused,
            "challenge" => Self::Challenge,
            "signed-in" => Self::Session,
            _ => Self::File,
        }
    }

    const fn allow(&self) -> &'static str {
        match self {
            Self::SignIn | Self::SignOut => "GET, HEAD, POST",
            Self::Callback | Self::Refused | Self::Session | Self::File => "GET, HEAD",
            Self::Challenge => "POST",
        }
    }
}

pub(super) async fn answer(
    settings: &Settings,
    rendered: &Rendered,
    request: Request<()>,
) -> Answer {
    let Some(name) = name_of(request.uri().path(), &settings.prefix) else {
        return own(empty(StatusCode::NOT_FOUND));
    };
    let route = Route::of(name);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let writes = *request.method() == Method::POST;
    match route {
        Route::File if reads => match rendered.file(name) {
            Some(file) => own(file.respond_immutable(request.headers())),
            None => own(empty(StatusCode::NOT_FOUND)),
        },
        Route::Callback if reads => own(show(&rendered.callback, request.headers())),
        Route::SignOut if reads => own(show(&rendered.sign_out, request.headers())),
        Route::Refused if reads => {
            let mut page = show(&rendered.refused, request.headers());
            *page.status_mut() = StatusCode::FORBIDDEN;
            own(page)
        }
        Route::SignIn if reads => sign_in_page(settings, rendered, request).await,
        Route::Session if reads => told(
            guarded(settings.auth.layer().optional().without_sign_in(), Inner::Session, request)
                .await,
        ),
        Route::SignIn | Route::SignOut | Route::Challenge if writes => {
            let (parts, ()) = request.into_parts();
            // Also where nobody is signed in: a foreign page starts and ends nothing here.
            if settings.auth.trusted_origins().check_login(&parts).is_err() {
                return own(json(StatusCode::FORBIDDEN, r#"{"reason":"cross_origin"}"#.to_owned()));
            }
            write(settings, &route, parts).await
        }
        _ => {
            let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.allow()));
            own(response)
        }
    }
}

/// Whether this path, at the root of a host, is one of the pages.
pub(super) fn is_page(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    name_of(path, "").is_some_and(|name| !matches!(Route::of(name), Route::File))
}

/// The path behind the prefix. What mounts a service often takes the prefix off itself.
fn name_of<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    rest.strip_prefix('/').filter(|name| !name.contains('/'))
}

/// Signed-in visitors go straight on; everyone else, and anyone who is asked again, sees the page.
async fn sign_in_page(settings: &Settings, rendered: &Rendered, request: Request<()>) -> Answer {
    let (query, headers) = (Query::of(request.uri().query()), request.headers().clone());
    let target = match query.again {
        true => None,
        false => {
            Some(way_back(settings, &query, &request).unwrap_or_else(|| settings.home.clone()))
        }
    };
    let layer = settings.auth.layer().optional().without_sign_in();
    let answer = guarded(layer, Inner::GoOn(target), request).await;
    if answer.status() == StatusCode::SEE_OTHER {
        return answer;
    }
    // Also where the layer rejects the request, such as when the store is down: the page says
    // so when it is used. A dead cookie is taken away on the way.
    let mut page = own(show(&rendered.sign_in, &headers));
    for cookie in answer.headers().get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}

async fn write(settings: &Settings, route: &Route, parts: Parts) -> Answer {
    match route {
        Route::Challenge => match settings.auth.challenge() {
            Ok(challenge) => challenge.to_response().map(|bytes| AuthBody::inner(Full::new(bytes))),
            Err(_) => own(unavailable()),
        },
        Route::SignOut => {
            let request = Request::from_parts(parts, ());
            let query = Query::of(request.uri().query());
            let after = way_back(settings, &query, &request)
                .or_else(|| settings.after_sign_out.clone())
                .unwrap_or_else(|| settings.home.clone());
            let page = wants_page(request.headers());
            let layer = settings.auth.layer().optional().without_sign_in();
            told(guarded(layer, Inner::SignOut { after, page }, request).await)
        }
        _ => {
            // A token that made its session before makes no other: that has to be said.
            let layer = settings.auth.layer().signing_in_anew().session_only();
            told(guarded(layer, Inner::SignedIn, Request::from_parts(parts, ())).await)
        }
    }
}

/// Returns the page's word for the reason of a rejection.
fn told(mut answer: Answer) -> Answer {
    let Some(rejection) = answer.extensions().get::<Rejection>() else { return answer };
    let mut told =
        own(json(answer.status(), format!(r#"{{"reason":"{}"}}"#, reason::of(rejection))));
    for name in [SET_COOKIE, WWW_AUTHENTICATE, RETRY_AFTER] {
        for value in answer.headers().get_all(&name) {
            told.headers_mut().append(&name, value.clone());
        }
    }
    // What logs around the page learn of the rejection, they learn of this answer.
    *told.extensions_mut() = std::mem::take(answer.extensions_mut());
    told
}

/// What the query of a page says.
struct Query {
    rd: Option<String>,
    again: bool,
}

impl Query {
    fn of(query: Option<&str>) -> Self {
        let query = query.filter(|query| query.len() <= MAX_QUERY_LEN).unwrap_or_default();
        let (mut rd, mut count, mut again) = (None, 0, false);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "rd" => (rd, count) = (Some(value.into_owned()), count + 1),
                "again" => again = true,
                _ => {}
            }
        }
        // Of two, one is what somebody else has checked.
        Self { rd: rd.filter(|_| count == 1), again }
    }
}

fn way_back(settings: &Settings, query: &Query, request: &Request<()>) -> Option<String> {
    let host = authority(request.uri(), request.headers());
    let checked = settings.hosts.check(query.rd.as_deref()?, host).ok()?;
    Some(ReturnTo::to_string(&checked))
}

/// A form that was sent without the script, and not by it.
fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.contains("text/html")
}

// ---- behind the layer ----------------------------------------------------------------

async fn guarded(layer: DidLayer, inner: Inner, request: Request<()>) -> Answer {
    match layer.layer(inner).call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// What to do once the caller is known.
#[derive(Clone)]
enum Inner {
    /// Redirects a signed-in visitor.
    GoOn(Option<String>),
    Session,
    SignedIn,
    SignOut {
        after: String,
        page: bool,
    },
}

impl Service<Request<()>> for Inner {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let (inner, session) = (self.clone(), request.extensions().get::<Session>().cloned());
        Box::pin(async move { Ok(inner.respond(session).await) })
    }
}

impl Inner {
    async fn respond(self, session: Option<Session>) -> Response<Full<Bytes>> {
        match (self, session) {
            (Self::GoOn(Some(target)), Some(_)) => see_other(&target),
            (Self::GoOn(_), _) => empty(StatusCode::OK),
            (Self::Session, session) => {
                json(StatusCode::OK, format!(r#"{{"signed_in":{}}}"#, session.is_some()))
            }
            (Self::SignedIn, session) => {
                let mut response = json(StatusCode::OK, r#"{"signed_in":true}"#.to_owned());
                response.extensions_mut().extend(named(session));
                response
            }
            (Self::SignOut { after, page }, session) => {
                if let Some(session) = &session
                    && session.sign_out().await.is_err()
                {
                    return unavailable();
                }
                let mut response = match page {
                    true => see_other(&after),
                    false => {
                        let after = serde_json::Value::from(after);
                        json(StatusCode::OK, format!(r#"{{"location":{after}}}"#))
                    }
                };
                response.extensions_mut().extend(named(session));
                response
            }
        }
    }
}

/// Whose session an answer began or ended, for logs around the page.
fn named(session: Option<Session>) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    if let Some(session) = session {
        extensions.insert(session);
    }
    extensions
}

// ---- answers -------------------------------------------------------------------------

fn own(response: Response<Full<Bytes>>) -> Answer {
    response.map(AuthBody::inner)
}

fn show(view: &View, request: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = view.html.respond(request);
    let headers = response.headers_mut();
    // A policy that no header can carry would leave the page without one.
    match &view.policy {
        Some(policy) => headers.insert(CONTENT_SECURITY_POLICY, policy.clone()),
        None => return empty(StatusCode::INTERNAL_SERVER_ERROR),
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(view.referrer));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

fn see_other(target: &str) -> Response<Full<Bytes>> {
    let mut response = empty(StatusCode::SEE_OTHER);
    let location = HeaderValue::try_from(target).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}

fn unavailable() -> Response<Full<Bytes>> {
    let mut response =
        json(StatusCode::SERVICE_UNAVAILABLE, r#"{"reason":"unavailable"}"#.to_owned());
    response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS.into());
    response
}

fn json(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = empty(status);
    *response.body_mut() = Full::new(Bytes::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
