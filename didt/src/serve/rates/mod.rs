//! How often a client may sign in or be refused: what is over the limit is answered before any signature
//! is checked.

mod buckets;

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use ipnet::IpNet;
use tower_didt::{Clock, Issuer};

use self::buckets::Buckets;
pub(crate) use self::buckets::TooMany;
use super::audit::{self, Asked};
use super::config::{Config, Rates};
use super::did_token;
use super::peer::{Client, Peer};

/// IPv6 gives a household or a machine a network of this length (RFC 6177).
const PREFIX_6: u8 = 64;

/// What was counted. It outlives a reload.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    sign_ins: Buckets<IpNet>,
    issuers: Buckets<Issuer>,
    denials: Buckets<IpNet>,
}

/// The limits that are configured, over what was counted.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    config: Arc<Config>,
    counted: Arc<Counted>,
    clock: Arc<dyn Clock>,
}

impl Meter {
    pub(crate) fn new(config: &Arc<Config>, counted: &Arc<Counted>, clock: Arc<dyn Clock>) -> Self {
        Self { config: Arc::clone(config), counted: Arc::clone(counted), clock }
    }

    fn rates(&self) -> &Rates {
        &self.config.rates
    }

    /// The network that counts for a client; none where nobody knows it or it is exempt. A trusted proxy
    /// is nobody's: it did not say who asked it.
    fn network(&self, client: Option<IpAddr>) -> Option<IpNet> {
        let client = client?.to_canonical();
        let proxy = self.config.trusted_proxies.contain(Peer::Ip(client));
        if proxy || self.rates().exempt.iter().any(|network| network.contains(client)) {
            return None;
        }
        let length = if client.is_ipv4() { 32 } else { PREFIX_6 };
        IpNet::new(client, length).ok().map(|network| network.trunc())
    }

    /// Whether this client's tokens are looked at.
    pub(crate) fn looks_at_tokens(&self, client: Option<IpAddr>) -> Result<(), TooMany> {
        let (Some(limit), Some(network)) = (self.rates().denials, self.network(client)) else {
            return Ok(());
        };
        limited("denials", self.counted.denials.peek(network, limit, self.clock.now()))
    }

    /// A token of this client was refused.
    pub(crate) fn refused(&self, client: Option<IpAddr>) {
        if let (Some(limit), Some(network)) = (self.rates().denials, self.network(client)) {
            let _ = self.counted.denials.take(network, limit, self.clock.now());
        }
    }

    /// Whether this client may try to sign in, with a token of this issuer's as it says itself. An issuer's
    /// own sign-ins count alone: naming somebody else takes nothing from them.
    fn may_sign_in(&self, client: Option<IpAddr>, headers: &HeaderMap) -> Result<(), TooMany> {
        let Some(network) = self.network(client) else { return Ok(()) };
        let now = self.clock.now();
        if let Some(limit) = self.rates().sign_ins {
            limited("sign_ins", self.counted.sign_ins.take(network, limit, now))?;
        }
        match (self.rates().sign_ins_per_issuer, stated_issuer(headers)) {
            (Some(limit), Some(issuer)) => {
                limited("sign_ins_per_issuer", self.counted.issuers.peek(issuer, limit, now))
            }
            _ => Ok(()),
        }
    }

    fn signed_in(&self, client: Option<IpAddr>, issuer: Issuer) {
        if let (Some(limit), Some(_)) = (self.rates().sign_ins_per_issuer, self.network(client)) {
            let _ = self.counted.issuers.take(issuer, limit, self.clock.now());
        }
    }
}

fn limited(limit: &'static str, outcome: Result<(), TooMany>) -> Result<(), TooMany> {
    if outcome.is_err() {
        metrics::counter!("didt_rate_limited_total", "limit" => limit).increment(1);
    }
    outcome
}

/// The issuer that a bearer token names. Nothing of it is checked yet.
fn stated_issuer(headers: &HeaderMap) -> Option<Issuer> {
    did_token::stated(headers.get(AUTHORIZATION)?.as_bytes()).map(|token| token.claim().iss())
}

/// Keeps requests with a token within the limits, before the token is looked at.
pub(crate) async fn keep(State(meter): State<Meter>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(AUTHORIZATION) {
        return next.run(request).await;
    }
    let client = request.extensions().get::<Client>().and_then(|client| client.0);
    let path = request.uri().path();
    // The two that make sessions.
    let signs_in = request.method() == Method::POST
        && (path.ends_with("/login") || path.ends_with("/sign-in"));
    let mut admitted = meter.looks_at_tokens(client);
    if signs_in {
        admitted = admitted.and_then(|()| meter.may_sign_in(client, request.headers()));
    }
    if let Err(TooMany(seconds)) = admitted {
        let more = request.extensions();
        let asked = Asked::of(request.method(), request.uri(), request.headers(), more);
        audit::refusal("rate_limited", None, client, "auth", &asked);
        let body = axum::Json(serde_json::json!({ "error": "rate_limited" }));
        return (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, seconds)], body).into_response();
    }
    let per_issuer = signs_in && meter.rates().sign_ins_per_issuer.is_some();
    let issuer = if per_issuer { stated_issuer(request.headers()) } else { None };
    let response = next.run(request).await;
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => meter.refused(client),
        status if status.is_success() || status.is_redirection() => {
            // The token was accepted, so that it is the issuer who it says.
            issuer.into_iter().for_each(|issuer| meter.signed_in(client, issuer));
        }
        _ => {}
    }
    response
}
