//! The future of a guarded service: decision, inner service, cookie.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::gate::{Anonymous, CookieChange, Deciding, Decision, Gate};
use super::{AuthBody, Session, observe};

pin_project! {
    /// The future of a [`DidService`](super::DidService).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        gate: Arc<Gate>,
        #[pin]
        state: State<S, S::Future, ReqBody>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, ReqBody> {
        Deciding { deciding: Deciding, call: Option<(S, Request<ReqBody>)> },
        Passed { #[pin] inner: F, session: Option<Session>, cookie: CookieChange },
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) const fn new(
        gate: Arc<Gate>,
        deciding: Deciding,
        service: S,
        request: Request<ReqBody>,
    ) -> Self {
        Self { gate, state: State::Deciding { deciding, call: Some((service, request)) } }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<AuthBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProjection::Deciding { deciding, call } => {
                    let Decision { verdict, cookie } = ready!(deciding.poll(cx));
                    observe::decided(&verdict, &cookie);
                    let session = match verdict {
                        Ok(session) => session,
                        Err(rejection) => {
                            let mut response = this.gate.respond(rejection).map(AuthBody::own);
                            write_cookie(response.headers_mut(), this.gate, cookie);
                            return Poll::Ready(Ok(response));
                        }
                    };
                    // A decision is made once, and takes the call with it.
                    let Some((mut service, mut request)) = call.take() else {
                        return Poll::Pending;
                    };
                    match session.clone() {
                        Some(session) => request.extensions_mut().insert(session).map(drop),
                        None => {
                            request.extensions_mut().remove::<Session>();
                            let anonymous = Anonymous(Arc::clone(this.gate));
                            request.extensions_mut().insert(anonymous).map(drop)
                        }
                    };
                    let inner = service.call(request);
                    this.state.set(State::Passed { inner, session, cookie });
                }
                StateProjection::Passed { inner, session, cookie } => {
                    let mut response = ready!(inner.poll(cx))?.map(AuthBody::inner);
                    let signed_out = session.as_ref().is_some_and(Session::signed_out);
                    let cookie = std::mem::replace(cookie, CookieChange::Keep);
                    let cookie = if signed_out { CookieChange::Clear } else { cookie };
                    write_cookie(response.headers_mut(), this.gate, cookie);
                    return Poll::Ready(Ok(response));
                }
            }
        }
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}

/// Sets or clears the session cookie, beside cookies of the application's own. A
/// response that does either is for one visitor and must not be cached.
fn write_cookie(headers: &mut HeaderMap, gate: &Gate, change: CookieChange) {
    let cookie = match change {
        CookieChange::Keep => None,
        CookieChange::Set(cookie) => Some(cookie),
        CookieChange::Clear => gate.cookie.clear(),
    };
    if let Some(cookie) = cookie {
        headers.append(SET_COOKIE, cookie);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
