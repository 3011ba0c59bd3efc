//! The future of a guarded service: decision, inner service, cookie.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::cookie_change::CookieChange;
use super::decision::{Deciding, Decision, Queued, WaitingDecision};
use super::gate::{Anonymous, Asked, Gate};
use super::instead::{Instead, Scheme};
use super::observe::{self, Outcome};
use super::{Answer, AuthBody, RejectedIssuer, Rejection, Session, forbid_storing, responder};

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
        // The decision is on its way.
        Waiting {
            decision: WaitingDecision,
            call: Option<(S, Request<ReqBody>)>,
            instead: Option<Instead>,
        },
        // A token waits for its signature to be checked.
        Queued {
            queued: Option<Box<Queued>>,
            asked: Asked,
            call: Option<(S, Request<ReqBody>)>,
            instead: Option<Instead>,
        },
        // The inner service is at work.
        Passed {
            #[pin]
            inner: F,
            session: Option<Session>,
            cookie: CookieChange,
            clear_challenge: bool,
            clear_strays: bool,
            // Kept only for a handler that wants to see it, should the inner service fail.
            head: Option<Box<Parts>>,
            instead: Option<Instead>,
            outcome: Outcome,
        },
        // The request does not pass.
        Rejected { answer: Option<Answer> },
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    /// Goes on with a decision that is there already. `service` must be ready.
    pub(super) fn decided(
        gate: Arc<Gate>,
        decision: Decision,
        service: &mut S,
        request: Request<ReqBody>,
        instead: Option<Instead>,
    ) -> Self {
        let state = State::decided(&gate, decision, service, request, instead);
        Self { gate, state }
    }

    /// Waits for a decision. `service` must be ready.
    pub(super) const fn waiting(
        gate: Arc<Gate>,
        decision: WaitingDecision,
        service: S,
        request: Request<ReqBody>,
        instead: Option<Instead>,
    ) -> Self {
        Self { gate, state: State::Waiting { decision, call: Some((service, request)), instead } }
    }

    /// Waits for the turn of a token. `service` must be ready.
    pub(super) const fn queued(
        gate: Arc<Gate>,
        queued: Box<Queued>,
        asked: Asked,
        service: S,
        request: Request<ReqBody>,
        instead: Option<Instead>,
    ) -> Self {
        let call = Some((service, request));
        Self { gate, state: State::Queued { queued: Some(queued), asked, call, instead } }
    }
}

impl<S, ReqBody> State<S, S::Future, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn decided(
        gate: &Arc<Gate>,
        decision: Decision,
        service: &mut S,
        request: Request<ReqBody>,
        instead: Option<Instead>,
    ) -> Self {
        let Decision { verdict, rejected, cookie, clear_challenge, clear_strays } = decision;
        let outcome = observe::decided(&verdict, cookie.name());
        match verdict {
            Ok(session) => {
                let (mut parts, body) = request.into_parts();
                // Nobody with a session is ever redirected.
                let instead = instead.filter(|_| session.is_none());
                let needed = instead.is_some() || gate.responder.needs_head();
                let head = needed.then(|| Box::new(parts.clone()));
                introduce(gate, session.clone(), instead.is_some(), &mut parts);
                let inner = service.call(Request::from_parts(parts, body));
                Self::Passed {
                    inner,
                    session,
                    cookie,
                    clear_challenge,
                    clear_strays,
                    head,
                    instead,
                    outcome,
                }
            }
            Err(rejection) => {
                let (parts, _) = request.into_parts();
                let mut answer = respond(gate, instead.as_ref(), rejection, &parts);
                write_cookie(answer.headers_mut(), gate, cookie);
                if let Some(rejected) = rejected {
                    answer.extensions_mut().insert(rejected);
                }
                if clear_strays {
                    write(answer.headers_mut(), gate.cookie.clear_host_only());
                }
                Self::Rejected { answer: Some(answer) }
            }
        }
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
                StateProjection::Waiting { decision, call, instead } => {
                    let decision = ready!(decision.as_mut().poll(cx));
                    // A decision is made once, and takes the call with it.
                    let Some((mut service, request)) = call.take() else {
                        return Poll::Pending;
                    };
                    let instead = instead.take();
                    let state = State::decided(this.gate, decision, &mut service, request, instead);
                    this.state.set(state);
                }
                StateProjection::Queued { queued, asked, call, instead } => {
                    if let Some(queued) = queued {
                        ready!(Pin::new(&mut queued.turn).poll(cx));
                    }
                    // Its turn comes once, and takes both along.
                    let (Some(queued), Some((mut service, request))) = (queued.take(), call.take())
                    else {
                        return Poll::Pending;
                    };
                    let (asked, instead) = (*asked, instead.take());
                    let (head, body) = request.into_parts();
                    let decide = || this.gate.decide_queued(queued.token, &head, asked);
                    let deciding = observe::deciding(decide);
                    let request = Request::from_parts(head, body);
                    let state = match deciding {
                        Deciding::Done(decision) => {
                            State::decided(this.gate, decision, &mut service, request, instead)
                        }
                        Deciding::Waiting(decision) => {
                            State::Waiting { decision, call: Some((service, request)), instead }
                        }
                        Deciding::Queued(queued) => {
                            let (queued, call) = (Some(queued), Some((service, request)));
                            State::Queued { queued, asked, call, instead }
                        }
                    };
                    this.state.set(state);
                }
                StateProjection::Passed {
                    inner,
                    session,
                    cookie,
                    clear_challenge,
                    clear_strays,
                    head,
                    instead,
                    outcome,
                } => {
                    let response = ready!(inner.poll(cx))?.map(AuthBody::inner);
                    let (head, instead) = (head.as_deref(), instead.as_ref());
                    let session = session.as_ref();
                    let mut response =
                        write_for_handler(this.gate, session, instead, head, response);
                    // Whoever wrote it: an answer that carries a rejection is a refusal.
                    if let Some(rejection) = response.extensions().get::<Rejection>() {
                        outcome.refused(rejection);
                    }
                    outcome.count();
                    let cookie = std::mem::replace(cookie, CookieChange::Keep);
                    let by_handler = session.and_then(|session| session.happened().answered());
                    let cookie = by_handler.unwrap_or(cookie);
                    write_cookie(response.headers_mut(), this.gate, cookie);
                    if *clear_strays {
                        write(response.headers_mut(), this.gate.cookie.clear_host_only());
                    }
                    if *clear_challenge {
                        write(response.headers_mut(), this.gate.cookie.for_challenges().clear());
                    }
                    let ours = |value: &HeaderValue| this.gate.cookie.is_set_by(value);
                    if response.headers().get_all(SET_COOKIE).iter().any(ours) {
                        forbid_storing(response.headers_mut());
                    }
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Rejected { answer } => {
                    return match answer.take() {
                        Some(answer) => Poll::Ready(Ok(answer.into_response().map(AuthBody::own))),
                        None => Poll::Pending,
                    };
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

/// Tells handlers who is calling, according to this gate only.
fn introduce(gate: &Arc<Gate>, session: Option<Session>, redirects: bool, request: &mut Parts) {
    let extensions = &mut request.extensions;
    gate.people.introduce(session.as_ref(), extensions, || gate.clock.now());
    match session {
        Some(session) => {
            extensions.insert(session);
        }
        None => {
            extensions.remove::<Session>();
            extensions.insert(Anonymous { gate: Arc::clone(gate), redirects });
        }
    }
}

/// Sets or clears the session cookie.
fn write_cookie(headers: &mut HeaderMap, gate: &Gate, change: CookieChange) {
    let cookie = match change {
        CookieChange::Keep => return,
        CookieChange::Set(cookie) => Some(cookie),
        CookieChange::Clear => gate.cookie.clear(),
    };
    write(headers, cookie);
}

/// Adds a cookie to the application's own.
///
/// A layer of the same gate further in may have taken the cookie away already, and no response
/// should say so twice (RFC 6265 section 4.1.1).
fn write(headers: &mut HeaderMap, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie
        && !headers.get_all(SET_COOKIE).iter().any(|known| *known == cookie)
    {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Writes the answer to a rejected request: the layer's own where it has one, else the gate's.
fn respond(gate: &Gate, instead: Option<&Instead>, rejection: Rejection, head: &Parts) -> Answer {
    let scheme = if gate.cookie.is_secure() { Scheme::Https } else { Scheme::Http };
    match instead.and_then(|instead| instead.answer(&rejection, head, scheme)) {
        Some(answer) => gate.responder.finish(rejection, answer),
        None => gate.responder.respond(rejection, head),
    }
}

/// Writes the answer for a handler that answered with a rejection. Cookies that the application set
/// beside it stay.
fn write_for_handler<B>(
    gate: &Gate,
    session: Option<&Session>,
    instead: Option<&Instead>,
    head: Option<&Parts>,
    mut response: Response<AuthBody<B>>,
) -> Response<AuthBody<B>> {
    let Some(rejection) = responder::taken_from_handler(&mut response) else {
        return response;
    };
    observe::refused_further_in(&rejection, session);
    let answer = match head {
        Some(head) => respond(gate, instead, rejection, head),
        None => gate.responder.respond_without_head(rejection),
    };
    let mut written = answer.into_response().map(AuthBody::own);
    if let Some(session) = session {
        written.extensions_mut().insert(RejectedIssuer(session.issuer()));
    }
    for cookie in response.headers().get_all(SET_COOKIE) {
        written.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    written
}
