//! `tower::Service`: wiring only. What passes is decided in `gate`.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::decision::Deciding;
use super::gate::{Asked, Gate};
use super::instead::Instead;
use super::{AuthBody, ResponseFuture, observe};

/// A guarded service. Made by [`DidLayer`](super::DidLayer).
#[derive(Clone, Debug)]
pub struct DidService<S> {
    inner: S,
    gate: Arc<Gate>,
    asked: Asked,
    instead: Option<Instead>,
}

impl<S> DidService<S> {
    pub(super) const fn new(
        inner: S,
        gate: Arc<Gate>,
        asked: Asked,
        instead: Option<Instead>,
    ) -> Self {
        Self { inner, gate, asked, instead }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DidService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<AuthBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (head, body) = request.into_parts();
        let deciding = observe::deciding(|| self.gate.decide(&head, self.asked));
        let request = Request::from_parts(head, body);
        let gate = Arc::clone(&self.gate);
        match deciding {
            Deciding::Done(decision) => {
                if decision.verdict.is_err() {
                    // Not to be called, it would keep what it reserved to be ready, such as a
                    // place within a limit, for as long as its connection is idle.
                    drop(self.take_ready());
                }
                let instead = self.instead.clone();
                ResponseFuture::decided(gate, decision, &mut self.inner, request, instead)
            }
            Deciding::Waiting(decision) => {
                let instead = self.instead.clone();
                ResponseFuture::waiting(gate, decision, self.take_ready(), request, instead)
            }
            Deciding::Queued(queued) => {
                let (asked, instead) = (self.asked, self.instead.clone());
                ResponseFuture::queued(gate, queued, asked, self.take_ready(), request, instead)
            }
        }
    }
}

impl<S: Clone> DidService<S> {
    /// The service that was polled ready is the one to be called later; its clone takes its
    /// place here.
    fn take_ready(&mut self) -> S {
        let clone = self.inner.clone();
        std::mem::replace(&mut self.inner, clone)
    }
}
