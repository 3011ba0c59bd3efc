//! May this request pass? A gateway asks that about its client's request.
//!
//! ```text
//! HTTP: nginx, HAProxy, Caddy, Traefik, Envoy ─ stated ─┐
//! gRPC: Envoy ─ envoy_grpc ─────────────────────────────┴► Question ─► Checks::check
//!                                                             ─► 200 with identity, or a denial
//! ```
//!
//! The steps of a check, each in a file of its own, in the order in which a request meets them: is
//! the asking proxy trusted (`peer`), did it state the original request in parts (`stated`), is
//! nothing about the client's headers ambiguous (`screen`), which rule applies (`policy`), who is
//! calling (the crate's own layer), does the rule admit them (`admit`), what the upstream is told
//! (`identity`). Denials are written in `denial`.

mod admit;
mod denial;
mod envoy_grpc;
mod foreign;
mod identity;
mod question;
mod screen;
mod stated;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Empty};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::layer::{RejectedIssuer, is_navigation};
use tower_didt::page::ReturnHosts;
use tower_didt::{Clock, DidAuth, Rejection, Session};

use self::denial::Denial;
use self::question::{Kind, Original, Question};
use super::assertion::Signer;
use super::audit::{self, Asked, Audit, Party};
use super::config::Config;
use super::cors::Cors;
use super::denial_reason;
use super::measures;
use super::peer::Peer;
use super::policy::{Access, NotCanonical, Rule, Target, Undecided};
use super::rates::{Meter, TooMany};
use super::trace::{self, TRACEPARENT};

/// The endpoints over HTTP, whatever the question's own method. Their own query takes no part:
/// Caddy appends the client's to it. A wildcard means at least one character, so Envoy has two
/// routes.
const ENDPOINTS: [(&str, Kind); 6] = [
    ("/check/nginx", Kind::Nginx),
    ("/check/haproxy", Kind::Haproxy),
    ("/check/caddy", Kind::Caddy),
    ("/check/traefik", Kind::Traefik),
    ("/check/envoy/", Kind::Envoy),
    ("/check/envoy/{*original}", Kind::Envoy),
];

/// The challenge of those who sent nothing (RFC 6750 section 3).
const PLAIN_CHALLENGE: &str = "Bearer realm=\"magic\"";

/// The endpoints, one per kind of gateway.
pub(crate) fn router(checks: &Arc<Checks>) -> Router {
    let router = ENDPOINTS.into_iter().fold(Router::new(), |router, (path, kind)| {
        let ask = async move |State(checks): State<Arc<Checks>>,
                              request: axum::extract::Request| {
            let (head, _) = request.into_parts();
            checks.check(Question::new(kind, head)).await.map(Body::from)
        };
        router.route(path, any(ask))
    });
    router.with_state(Arc::clone(checks)).merge(envoy_grpc::router(checks))
}

/// What is known of a question, for the log.
#[derive(Debug, Default)]
struct Known<'a> {
    rule: Option<&'a Rule>,
    caller: Option<Session>,
}

/// Everything that a check needs.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) config: Arc<Config>,
    pub(crate) auth: DidAuth,
    /// The same, for rules that leave foreign bearer tokens to the application.
    pub(crate) auth_with_foreign: DidAuth,
    pub(crate) signer: Option<Arc<Signer>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cors: Cors,
    pub(crate) meter: Meter,
}

impl Checks {
    /// The answer to a gateway's question: exactly 200 lets the request pass.
    pub(crate) async fn check(&self, question: Question) -> Response<Bytes> {
        let (kind, client) = (question.kind, question.client);
        let asked_by = question.original.as_ref().ok();
        let origin = asked_by.and_then(|original| self.cors.allowed(&original.headers));
        let told = asked_by.map(|original| {
            let Original { method, scheme, host, uri, .. } = original;
            [method, scheme, host, uri].map(Bytes::clone)
        });
        let has_token =
            asked_by.is_some_and(|original| original.headers.contains_key(AUTHORIZATION));
        let trace = asked_by.and_then(|original| trace::parent(&original.headers)).cloned();
        let mut known = Known::default();
        let considered = self.consider(question, &mut known).await;
        let mut response = considered.unwrap_or_else(|denial| {
            if let Some(mistake) = denial.mistake() {
                tracing::warn!(gateway = kind.name(), "{mistake}");
            }
            denial.response()
        });
        let rule = known.rule.map(|rule| rule.name.as_str());
        let audit = Audit::new(&self.config.log);
        let rejected = response.extensions().get::<RejectedIssuer>();
        let who = known.caller.as_ref().map(|caller| audit.party(caller));
        let who = who.or_else(|| rejected.map(|rejected| Party::known_by(rejected.0)));
        let reason = reason(&response);
        if let Some(reason) = reason {
            measures::refusal(reason, rule);
        }
        // Every visit begins without credentials.
        let refused = reason.filter(|reason| *reason != Rejection::MissingCredentials.name());
        if refused.is_some() || self.config.log.access {
            let asked = asked(told, rule);
            if let Some(reason) = refused {
                audit::refusal(reason, who.as_ref(), client, kind.name(), &asked);
            }
            if self.config.log.access {
                audit::access(response.status(), who.as_ref(), client, kind.name(), &asked);
            }
        }
        if has_token
            && [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&response.status())
        {
            self.meter.refused(client);
        }
        if let Some(trace) = trace {
            response.headers_mut().insert(TRACEPARENT, trace);
        }
        if response.status() == StatusCode::OK && !kind.forbids_storing() {
            response.headers_mut().remove(SET_COOKIE);
        }
        // What passes is answered by the application, with CORS of its own.
        if response.status() != StatusCode::OK {
            let word = reason_for_client(&response);
            denial_reason::write(response.headers_mut(), word);
            self.cors.write(origin, response.headers_mut());
        }
        let refused =
            response.extensions().get().is_some_and(|denial: &Denial| denial.is_of_account());
        let status = kind.status(response.status(), refused);
        // A redirect that this gateway cannot pass on by itself: its configuration makes one of it.
        if status == StatusCode::UNAUTHORIZED && response.status() != status {
            let challenge = HeaderValue::from_static(PLAIN_CHALLENGE);
            response.headers_mut().entry(WWW_AUTHENTICATE).or_insert(challenge);
        }
        *response.status_mut() = status;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Where the client is. A trusted proxy is nobody's place: it did not say who asked it.
    fn place(&self, client: Option<IpAddr>) -> Option<IpAddr> {
        client.filter(|client| !self.config.trusted_proxies.contain(Peer::Ip(*client)))
    }

    /// Answers, and says which rule decides and who the caller is as soon as that is known.
    async fn consider<'a>(
        &'a self,
        question: Question,
        known: &mut Known<'a>,
    ) -> Result<Response<Bytes>, Denial> {
        if !self.config.trusted_proxies.contain(question.peer) {
            return Err(Denial::UntrustedProxy);
        }
        let place = self.place(question.client);
        let original = question.original?;
        screen::check(&original.headers, &self.config.identity)?;
        let Original { method, scheme, host, uri, .. } = &original;
        let target = Target::read(method, scheme, host, uri).map_err(Denial::NotCanonical)?;
        let decided =
            self.config.policy.decide(&target, place).map_err(|undecided| match undecided {
                Undecided::ClientUnknown => Denial::ClientUnknown,
                Undecided::Path(fault) => Denial::NotCanonical(NotCanonical::Path(fault)),
            })?;
        let rule = decided.rule;
        known.rule = Some(rule);
        if rule.access == Access::Public {
            return self
                .pass(None)
                .map(|passed| Self::hand_on(passed, &original, question.kind, rule));
        }
        if original.headers.contains_key(AUTHORIZATION) {
            let looked_at = self.meter.looks_at_tokens(question.client);
            looked_at.map_err(|TooMany(seconds)| Denial::TooMany { seconds })?;
        }
        let request = original.request(&target)?;
        let answer = self.ask_layer(request, rule, &mut known.caller).await?;
        Ok(Self::hand_on(answer, &original, question.kind, rule))
    }

    /// Tells the gateway which `Authorization` the upstream gets, if the request passes. Every 200
    /// says it, by an empty value if there is none: at some gateways the client's own value would
    /// take the place of one that is missing. Traefik takes the client's off by itself.
    fn hand_on(
        mut response: Response<Bytes>,
        original: &Original,
        kind: Kind,
        rule: &Rule,
    ) -> Response<Bytes> {
        if response.status() != StatusCode::OK {
            return response;
        }
        let own = foreign::authorization(&original.headers, rule);
        if own.is_some() || kind != Kind::Traefik {
            let value = own.unwrap_or_else(|| HeaderValue::from_static(""));
            response.headers_mut().insert(AUTHORIZATION, value);
        }
        response
    }

    /// Who is calling, and does the rule admit them?
    async fn ask_layer(
        &self,
        request: Request<()>,
        rule: &Rule,
        caller: &mut Option<Session>,
    ) -> Result<Response<Bytes>, Denial> {
        // No check signs anybody in: a gateway may drop the cookie, and the token would be used up.
        let auth = if rule.passes_foreign { &self.auth_with_foreign } else { &self.auth };
        let layer = auth.layer().without_sign_in();
        let layer = if rule.access == Access::Optional { layer.optional() } else { layer };
        // A path that was checked; were it refused, people would get their 401.
        let layer = match &self.config.sign_in {
            Some(_) => layer.clone().redirecting_to(&self.sign_in_path()).unwrap_or(layer),
            None => layer,
        };
        let navigates = is_navigation(request.method(), request.headers());
        let target = request.uri().path_and_query().map(ToString::to_string);
        let target = target.filter(|_| self.config.sign_in.is_some() && navigates);
        let Ok(answer) = layer.layer(service_fn(introduce)).oneshot(request).await;
        let (head, body) = answer.into_parts();
        let Some(Caller(session)) = head.extensions.get::<Caller>() else {
            // What the layer makes itself is there at once.
            let body = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
            return Ok(Response::from_parts(head, body));
        };
        caller.clone_from(session);
        let cookie = head.headers.get(SET_COOKIE);
        if let Err(denial) = admit::admit(rule, session.as_ref(), self.clock.now()) {
            let page = match denial {
                Denial::Stale { .. } => "sign-in?again&",
                denial if denial.is_of_account() => "refused?",
                _ => return Err(denial),
            };
            let target = target.ok_or(denial)?;
            return sent_to(denial, &format!("{}/{page}", self.config.public.prefix), &target);
        }
        let mut response = self.pass(session.as_ref())?;
        if let Some(cookie) = cookie {
            response.headers_mut().insert(SET_COOKIE, cookie.clone());
        }
        Ok(response)
    }

    /// Where people sign in: on the host that they came to.
    fn sign_in_path(&self) -> String {
        format!("{}/sign-in", self.config.public.prefix)
    }

    /// 200, with the identity headers for the upstream.
    fn pass(&self, session: Option<&Session>) -> Result<Response<Bytes>, Denial> {
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

/// The denial, as a redirect of a person to one of the pages, with the way back.
fn sent_to(denial: Denial, page: &str, target: &str) -> Result<Response<Bytes>, Denial> {
    let back = ReturnHosts::own().check(target, None).map(|to| to.to_query());
    let location = format!("{page}{}", back.unwrap_or_default());
    let location = location.trim_end_matches(['?', '&']);
    let location = HeaderValue::try_from(location).map_err(|_| denial)?;
    let mut response = denial.response();
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The reason for a denial, for metrics and the audit log.
fn reason(response: &Response<Bytes>) -> Option<&'static str> {
    let extensions = response.extensions();
    let layer = extensions.get().map(Rejection::name);
    extensions.get().copied().map(Denial::name).or(layer)
}

/// For the log: what was asked about, and the rule for it.
fn asked(told: Option<[Bytes; 4]>, rule: Option<&str>) -> Asked {
    let Some([method, scheme, host, uri]) = told else { return Asked::default() };
    let asked = match Target::read(&method, &scheme, &host, &uri) {
        Ok(target) => Asked::raw(&method, target.host.as_bytes(), target.path_sent().as_bytes()),
        Err(_) => Asked::raw(&method, &host, &uri),
    };
    Asked { rule: rule.map(str::to_owned), ..asked }
}

/// The reason as far as it helps the client.
fn reason_for_client(response: &Response<Bytes>) -> Option<&'static str> {
    let extensions = response.extensions();
    let layer = extensions.get().and_then(denial_reason::of);
    extensions.get().copied().and_then(Denial::reason_for_client).or(layer)
}

/// The caller that the layer let pass.
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
