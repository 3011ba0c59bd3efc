//! May this request pass? Asked by a gateway about somebody else's request.
//!
//! ```text
//! original_url   nginx, HAProxy ─┐
//! forwarded      Caddy, Traefik ─┤
//! envoy_http     Envoy ──────────┼─► Question ─► Checks::check ─► 200 with identity, or a denial
//! envoy_grpc     Envoy ──────────┘
//! ```
//!
//! The steps of a check, each in a file of its own, in the order in which a request meets them:
//! is the asking proxy trusted (`peer`), did it tell the original request (`question`), is nothing
//! about the client's headers ambiguous (`screen`), which rule applies (`policy`), who is calling
//! (the crate's own layer), does the rule admit them (`admit`), what the upstream is told
//! (`identity`). Denials are written in `refusal`.

mod admit;
mod envoy_grpc;
mod envoy_http;
mod forwarded;
mod identity;
mod original_url;
mod question;
mod refusal;
mod screen;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{MethodRouter, any};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Collected, Empty};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::{Clock, DidAuth, Rejection, Session};

use self::question::{Kind, Original, Question};
use self::refusal::Refusal;
use super::assertion::Signer;
use super::audit;
use super::config::Config;
use super::policy::{Access, Rule, Target};

/// The endpoints, one per kind of gateway.
pub(crate) fn router(checks: &Arc<Checks>) -> Router {
    Router::new()
        .merge(original_url::router())
        .merge(forwarded::router())
        .merge(envoy_http::router())
        .with_state(Arc::clone(checks))
        .merge(envoy_grpc::router(checks))
}

/// An endpoint for questions of this kind by HTTP, whatever their own method. `original` reads the
/// request that is asked about.
fn endpoint(
    kind: Kind,
    original: fn(Parts) -> Result<Original, Refusal>,
) -> MethodRouter<Arc<Checks>> {
    any(async move |State(checks): State<Arc<Checks>>, request: axum::extract::Request| {
        let (head, _) = request.into_parts();
        let question = Question::new(kind, head, original);
        checks.check(question).await.map(Body::from)
    })
}

/// Everything that a check needs.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) config: Arc<Config>,
    pub(crate) auth: DidAuth,
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Checks {
    /// The answer to a gateway's question: exactly 200 lets the request pass.
    pub(crate) async fn check(&self, question: Question) -> Response<Bytes> {
        let (kind, client) = (question.kind, question.client);
        let mut response = self.consider(question).await.unwrap_or_else(|refusal| {
            if let Some(mistake) = refusal.mistake() {
                tracing::warn!(gateway = kind.name(), "{mistake}");
            }
            refusal.response()
        });
        if let Some(reason) = reason(&response) {
            audit::refusal(reason, client, kind.name());
        }
        *response.status_mut() = kind.status(response.status());
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    async fn consider(&self, question: Question) -> Result<Response<Bytes>, Refusal> {
        if !self.config.trusted_proxies.contain(question.peer) {
            return Err(Refusal::UntrustedProxy);
        }
        let original = question.original?;
        screen::check(&original.headers, &self.config.identity)?;
        let Original { method, scheme, host, uri, .. } = &original;
        let target = Target::new(method, scheme, host, uri).map_err(Refusal::NotCanonical)?;
        let rule = self.config.policy.rule_for(&target);
        if rule.access == Access::Public {
            return self.pass(None);
        }
        let request = original.request(&target)?;
        self.ask_layer(request, rule).await
    }

    /// Who is calling, and does the rule admit them?
    async fn ask_layer(
        &self,
        request: Request<()>,
        rule: &Rule,
    ) -> Result<Response<Bytes>, Refusal> {
        // No check signs anybody in: a gateway may drop the cookie, and the token would be used up.
        let layer = self.auth.layer().without_sign_in();
        let layer = if rule.access == Access::Optional { layer.optional() } else { layer };
        let Ok(answer) = layer.layer(service_fn(introduce)).oneshot(request).await;
        let (head, body) = answer.into_parts();
        let Some(Caller(session)) = head.extensions.get::<Caller>() else {
            // What the layer makes itself is there at once.
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            return Ok(Response::from_parts(head, body));
        };
        let cookie = head.headers.get(SET_COOKIE);
        admit::admit(rule, session.as_ref(), self.clock.now())?;
        let mut response = self.pass(session.as_ref())?;
        if let Some(cookie) = cookie {
            response.headers_mut().insert(SET_COOKIE, cookie.clone());
        }
        Ok(response)
    }

    /// 200, with all that the upstream is told about the caller.
    fn pass(&self, session: Option<&Session>) -> Result<Response<Bytes>, Refusal> {
        let mut response = Response::new(Bytes::new());
        let signer = self.signer.as_deref();
        identity::write(
            response.headers_mut(),
            &self.config.identity,
            session,
            signer,
            self.clock.now(),
        )?;
        Ok(response)
    }
}

/// Why the answer is no, unless it is for want of credentials: that is how every visit begins.
fn reason(response: &Response<Bytes>) -> Option<&'static str> {
    let extensions = response.extensions();
    let layer = extensions.get().map(Rejection::name);
    let name = extensions.get().copied().map(Refusal::name).or(layer)?;
    (name != Rejection::MissingCredentials.name()).then_some(name)
}

/// Whom the layer let pass.
#[derive(Clone)]
struct Caller(Option<Session>);

/// The service behind the layer: hands back who is calling.
async fn introduce(request: Request<()>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    let session = request.extensions().get::<Session>().cloned();
    response.extensions_mut().insert(Caller(session));
    Ok(response)
}

#[cfg(test)]
mod tests;
