//! How often a client may sign in or be refused: what is over the limit is answered before any signature
//! is checked.
//!
//! Each limit is a bucket of a minute's worth that refills steadily (the generic cell rate algorithm, ITU-T
//! I.371): of each bucket only the moment is kept at which it is full again.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode};
use ipnet::IpNet;
use tower_didt::token::DidToken;
use tower_didt::{Clock, Issuer, Timestamp};

use super::audit::{self, Asked};
use super::config::{Config, Rates};
use super::peer::{Client, Peer};

/// How many clients or issuers a limit remembers: some 6 MiB of each kind. Where there are more, one is
/// forgotten, which may do a little more than it might.
const MAX_REMEMBERED: usize = 65_536;

const MINUTE: u64 = 60_000;

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

/// How many seconds to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany(pub(crate) u64);

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
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    let token = scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)?;
    Some(DidToken::decode(token).ok()?.claim().iss())
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
        let asked = Asked::of(request.method(), request.uri(), request.headers());
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

/// Buckets by key, each as the millisecond at which it is full again.
#[derive(Debug)]
struct Buckets<K>(Mutex<Remembered<K>>);

#[derive(Debug)]
struct Remembered<K> {
    full_at: HashMap<K, u64>,
    /// When the full ones were last forgotten.
    swept: u64,
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(Remembered { full_at: HashMap::new(), swept: 0 }))
    }
}

impl<K: Copy + Eq + Hash> Buckets<K> {
    fn peek(&self, key: K, limit: NonZeroU32, now: Timestamp) -> Result<(), TooMany> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        after(kept.full_at.get(&key).copied(), limit, now).map(drop)
    }

    fn take(&self, key: K, limit: NonZeroU32, now: Timestamp) -> Result<(), TooMany> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = kept.full_at.get(&key).copied();
        let full_at = after(before, limit, now)?;
        if before.is_none() && kept.full_at.len() >= MAX_REMEMBERED {
            kept.make_room(now);
        }
        kept.full_at.insert(key, full_at);
        Ok(())
    }
}

impl<K: Copy + Eq + Hash> Remembered<K> {
    /// Looking at all takes its time: once a second at most.
    fn make_room(&mut self, now: Timestamp) {
        let now = millis(now);
        if self.swept != now {
            self.swept = now;
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        if self.full_at.len() >= MAX_REMEMBERED
            && let Some(some) = self.full_at.keys().next().copied()
        {
            self.full_at.remove(&some);
        }
    }
}

/// Since 1970, in whole seconds.
fn millis(now: Timestamp) -> u64 {
    u64::try_from(now.as_secs()).unwrap_or(0).saturating_mul(1000)
}

/// When a bucket is full again from which one more is taken.
fn after(full_at: Option<u64>, limit: NonZeroU32, now: Timestamp) -> Result<u64, TooMany> {
    let now = millis(now);
    let one = (MINUTE / u64::from(limit.get())).max(1);
    let full_at = full_at.unwrap_or(0).max(now).saturating_add(one);
    let over = full_at.saturating_sub(now).saturating_sub(MINUTE);
    if over == 0 { Ok(full_at) } else { Err(TooMany(over.div_ceil(1000))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).expect("not zero")
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_refills_steadily() {
        let buckets = Buckets::default();
        let at = Timestamp::from_secs;
        let mut taken = 0;
        while buckets.take("a", limit(6), at(100)).is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 6);
        assert_eq!(buckets.take("a", limit(6), at(100)), Err(TooMany(10)), "a tenth of a minute");
        assert_eq!(buckets.peek("a", limit(6), at(105)), Err(TooMany(5)));
        assert!(buckets.take("b", limit(6), at(100)).is_ok(), "somebody else");
        assert!(buckets.take("a", limit(6), at(110)).is_ok());
        assert_eq!(
            buckets.take("a", limit(6), at(110)),
            Err(TooMany(10)),
            "what is refused costs nothing"
        );
        assert!((0..6).all(|_| buckets.take("a", limit(6), at(170)).is_ok()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_a_flood_of_others_locks_nobody_out() {
        let buckets = Buckets::default();
        let now = Timestamp::from_secs(100);
        for key in 0..MAX_REMEMBERED * 2 {
            assert!(buckets.take(key, limit(1), now).is_ok(), "{key}");
        }
        let len = |buckets: &Buckets<usize>| buckets.0.lock().expect("no panic").full_at.len();
        assert_eq!(len(&buckets), MAX_REMEMBERED);
        assert!(buckets.take(usize::MAX, limit(1), Timestamp::from_secs(161)).is_ok());
        assert_eq!(len(&buckets), 1, "full buckets are forgotten");
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_for_longer_than_it_went() {
        let buckets = Buckets::default();
        assert!(buckets.take("a", limit(1), Timestamp::from_secs(1000)).is_ok());
        assert_eq!(buckets.take("a", limit(1), Timestamp::from_secs(990)), Err(TooMany(70)));
    }
}
