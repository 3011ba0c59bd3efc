//! Guards around services: whoever is not permitted does not get through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::gate::Anonymous;
use super::{Answer, AuthBody, DidLayer, DidService, Guard, Rejection, Session};

/// A guard around routes that are beneath a layer of a [`DidAuth`](super::DidAuth). Made by
/// [`Guard::layer`].
#[derive(Clone, Debug)]
#[must_use]
pub struct GuardLayer {
    guard: Guard,
}

impl GuardLayer {
    pub(super) const fn new(guard: Guard) -> Self {
        Self { guard }
    }
}

impl Guard {
    /// A layer for routes beneath a layer of a [`DidAuth`](super::DidAuth), as axum's `route_layer`
    /// takes it. Without the latter every request is answered by a 500.
    pub fn layer(&self) -> GuardLayer {
        GuardLayer::new(self.clone())
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GuardService { inner, guard: self.guard.clone() }
    }
}

/// A layer that requires a session which a guard permits. Made by [`DidLayer::require`].
#[derive(Clone, Debug)]
#[must_use]
pub struct GuardedLayer {
    sessions: DidLayer,
    guard: Guard,
}

impl DidLayer {
    /// Lets only those pass whom `guard` permits: a [`Role`](super::Role), or a [`Guard`]. Somebody
    /// else who is signed in gets 403.
    ///
    /// The last word about a layer: say before it what becomes of people who are not signed in, such as
    /// `redirecting_to`. On an [optional](Self::optional) layer, they get a 401 here all the same.
    ///
    /// ```
    /// use tower_didt::{DidAuth, Guard, Verifier};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct User {
    ///     shop: u32,
    /// }
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
    /// let of_this_shop = auth.layer().require(Guard::data(|user: &User| user.shop == 17));
    /// ```
    pub fn require(self, guard: impl Into<Guard>) -> GuardedLayer {
        GuardedLayer { sessions: self, guard: guard.into() }
    }
}

impl<S> Layer<S> for GuardedLayer {
    type Service = DidService<GuardService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.sessions.layer(GuardLayer::new(self.guard.clone()).layer(inner))
    }
}

/// A service behind a guard. Made by [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    guard: Guard,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for GuardService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match check(&self.guard, request.extensions()) {
            Ok(()) => GuardFuture { state: State::Passed { inner: self.inner.call(request) } },
            Err(rejection) => {
                // Not to be called, it would keep what it reserved to be ready.
                let clone = self.inner.clone();
                drop(std::mem::replace(&mut self.inner, clone));
                // The layer around it writes the answer.
                let answer = Some(Box::new(rejection.into_answer()));
                GuardFuture { state: State::Denied { answer } }
            }
        }
    }
}

/// Whether a request passes. One that no layer has seen is a mistake in the program, and never passes.
pub(crate) fn check(guard: &Guard, request: &Extensions) -> Result<(), Rejection> {
    match request.get::<Session>() {
        Some(session) => guard.check(session),
        None if request.get::<Anonymous>().is_some() => Err(Rejection::MissingCredentials),
        None => Err(Rejection::NoLayer),
    }
}

pin_project! {
    /// The future of a [`GuardService`].
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Passed { #[pin] inner: F },
        Denied { answer: Option<Box<Answer>> },
    }
}

impl<F, ResBody, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = Result<Response<AuthBody<ResBody>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProjection::Passed { inner } => {
                Poll::Ready(ready!(inner.poll(cx)).map(|response| response.map(AuthBody::inner)))
            }
            StateProjection::Denied { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.into_response().map(AuthBody::own))),
                None => Poll::Pending,
            },
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GuardFuture")
    }
}
