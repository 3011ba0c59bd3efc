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
//! calling (the crate's own layer, `guarded`), does the rule admit them (`admit`), what the upstream is told
//! (`identity`). Denials are written in `denial`.

mod admit;
mod denial;
mod envoy_grpc;
mod foreign;
mod guarded;
mod identity;
mod question;
mod screen;
mod stated;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use tower_didt::layer::RejectedIssuer;
use tower_didt::{Rejection, Session};
use tracing::Instrument;

use self::denial::Denial;
pub(crate) use self::guarded::Guarded;
use self::question::{Kind, Original, Question};
use super::audit::{self, Asked, Audit, Party};
use super::config::Config;
use super::denial_reason;
use super::measures;
use super::peer::Peer;
use super::policy::{Access, NotCanonical, Rule, Target, Undecided};
use super::rates::{Meter, TooMany};
use super::sites::{SiteName, Sites};
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
    /// For what is the same for all sites.
    pub(crate) config: Arc<Config>,
    pub(crate) sites: Sites<Guarded>,
    pub(crate) meter: Meter,
}

impl Checks {
    /// The answer to a gateway's question: exactly 200 lets the request pass.
    pub(crate) async fn check(&self, question: Question) -> Response<Bytes> {
        let (kind, client) = (question.kind, question.client);
        let asked_by = question.original.as_ref().ok();
        let site = asked_by.and_then(|original| self.site_of(original).ok());
        let cors = site.map(|site| &site.cors);
        let origin =
            asked_by.and_then(|original| cors.and_then(|cors| cors.allowed(&original.headers)));
        let told = asked_by.map(|original| {
            let Original { method, scheme, host, uri, .. } = original;
            [method, scheme, host, uri].map(Bytes::clone)
        });
        let has_token =
            asked_by.is_some_and(|original| original.headers.contains_key(AUTHORIZATION));
        let trace = asked_by.and_then(|original| trace::parent(&original.headers)).cloned();
        let mut known = Known::default();
        let site_name = site.and_then(|site| site.name.as_ref());
        let span = trace::site(site_name);
        let considered = self.consider(question, &mut known).instrument(span).await;
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
            measures::refusal(reason, rule, site_name);
        }
        if let Some(site) = site_name {
            measures::check(site, response.status() == StatusCode::OK);
        }
        // Every visit begins without credentials.
        let refused = reason.filter(|reason| *reason != Rejection::MissingCredentials.name());
        if refused.is_some() || self.config.log.access {
            let asked = asked(told, rule, site_name);
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
            if let Some(cors) = cors {
                cors.write(origin, response.headers_mut());
            }
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

    /// The site of the host that a request is for.
    fn site_of(&self, original: &Original) -> Result<&Guarded, Denial> {
        let found = self.sites.of_host(&original.host);
        let found = found.map_err(|fault| Denial::NotCanonical(NotCanonical::Host(fault)))?;
        found.ok_or(Denial::UnknownHost)
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
        let site = self.site_of(&original)?;
        screen::check(&original.headers, &self.config.identity)?;
        let Original { method, scheme, host, uri, .. } = &original;
        let target = Target::read(method, scheme, host, uri).map_err(Denial::NotCanonical)?;
        let decided =
            site.config.policy.decide(&target, place).map_err(|undecided| match undecided {
                Undecided::ClientUnknown => Denial::ClientUnknown,
                Undecided::Path(fault) => Denial::NotCanonical(NotCanonical::Path(fault)),
            })?;
        let rule = decided.rule;
        known.rule = Some(rule);
        if rule.access == Access::Public {
            return site
                .pass(None)
                .map(|passed| Self::hand_on(passed, &original, question.kind, rule));
        }
        if original.headers.contains_key(AUTHORIZATION) {
            let looked_at = self.meter.looks_at_tokens(question.client);
            looked_at.map_err(|TooMany(seconds)| Denial::TooMany { seconds })?;
        }
        let request = original.request(&target)?;
        let answer = site.ask_layer(request, rule, &mut known.caller).await?;
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
}

/// The reason for a denial, for metrics and the audit log.
fn reason(response: &Response<Bytes>) -> Option<&'static str> {
    let extensions = response.extensions();
    let layer = extensions.get().map(Rejection::name);
    extensions.get().copied().map(Denial::name).or(layer)
}

/// For the log: what was asked about, and the rule for it.
fn asked(told: Option<[Bytes; 4]>, rule: Option<&str>, site: Option<&SiteName>) -> Asked {
    let Some([method, scheme, host, uri]) = told else { return Asked::default() };
    let asked = match Target::read(&method, &scheme, &host, &uri) {
        Ok(target) => Asked::raw(&method, target.host.as_bytes(), target.path_sent().as_bytes()),
        Err(_) => Asked::raw(&method, &host, &uri),
    };
    Asked { rule: rule.map(str::to_owned), site: site.cloned(), ..asked }
}

/// The reason as far as it helps the client.
fn reason_for_client(response: &Response<Bytes>) -> Option<&'static str> {
    let extensions = response.extensions();
    let layer = extensions.get().and_then(denial_reason::of);
    extensions.get().copied().and_then(Denial::reason_for_client).or(layer)
}

#[cfg(test)]
mod sites_tests;
#[cfg(test)]
mod tests;
