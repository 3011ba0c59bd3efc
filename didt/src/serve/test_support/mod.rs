//! A gateway's authorisation service in process, with a clock that stands still.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use tower_didt::magic::Magic;
use tower_didt::store::SessionStore;
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{
    Clock, DidAuth, Lifetimes, Replay, SessionCookie, SessionLimit, Timestamp, Verifier,
};

use super::config::{
    Config, IdentityHeaders, Leeways, Limits, Listen, Log, PublicListener, Rates, Sessions, Store,
};
use super::peer::{Peer, TrustedProxies};
use super::policy::{Access, Admit, PathPattern, Policy, Requests, Rule};
use super::public;
use super::sites::Sites;

pub(crate) const AUDIENCE: &str = "did:magic:gateway-test";
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// The proxy that is trusted.
pub(crate) const PROXY: Peer = Peer::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

pub(crate) fn alice() -> Wallet {
    Wallet::from_seed("alice")
}

pub(crate) fn bob() -> Wallet {
    Wallet::from_seed("bob")
}

/// The rules: `/public/**`, `/optional`, `/own/…` (foreign credentials are the application's),
/// `/fresh` (10 minutes), `/alice` (nobody else), and the
/// rest requires a session or a token.
pub(crate) fn config() -> Config {
    let rule = |name: &str, path: &str, access| Rule {
        name: name.to_owned(),
        access,
        admit: Admit::AnyKey,
        passes_foreign: false,
        keeps_slashes: false,
        requests: Requests {
            hosts: None,
            methods: None,
            paths: Some(vec![PathPattern::parse(path).expect("a pattern")]),
            networks: None,
        },
    };
    let rules = vec![
        rule("public", "/public/**", Access::Public),
        rule("optional", "/optional", Access::Optional),
        Rule { passes_foreign: true, ..rule("own", "/own/required", Access::Required) },
        Rule { passes_foreign: true, ..rule("own-optional", "/own/optional", Access::Optional) },
        rule("fresh", "/fresh", Access::Fresh(Duration::from_secs(600))),
        Rule {
            admit: Admit::Listed(Arc::new(HashSet::from([alice().issuer()]).into())),
            ..rule("alice", "/alice", Access::Required)
        },
    ];
    Config {
        site: None,
        audiences: Some(AUDIENCE.into()),
        magic: None,
        public: PublicListener {
            listen: Listen::Tcp(([127, 0, 0, 1], 0).into()),
            prefix: "/auth".to_owned(),
            tls: None,
        },
        private: None,
        trusted_proxies: TrustedProxies::new(["127.0.0.1"]).expect("an address"),
        trusted_origins: Vec::new(),
        cookie: SessionCookie::default(),
        sessions: Sessions {
            lifetimes: Lifetimes::default(),
            remember_me: None,
            max_per_issuer: SessionLimit::Default,
            replay: Replay::Authenticate,
            max_token_age: Duration::from_secs(900),
            leeways: Leeways::default(),
            bound_login: None,
        },
        store: Store::Memory,
        identity: IdentityHeaders::default(),
        assertion: None,
        sign_in: None,
        policy: Policy::new(rules, Rule::otherwise(Access::Required, Admit::AnyKey)),
        limits: Limits::default(),
        rates: Rates::default(),
        log: Log::default(),
    }
}

/// The service, and its clock.
pub(crate) struct Gateway {
    pub(crate) router: Router,
    pub(crate) clock: FixedClock,
}

impl Gateway {
    pub(crate) fn new(config: Config) -> Self {
        Self::with(config, |auth| auth)
    }

    pub(crate) fn with_store(store: impl SessionStore) -> Self {
        Self::with(config(), |auth| auth.with_store(store))
    }

    pub(crate) fn with(config: Config, change: impl FnOnce(DidAuth) -> DidAuth) -> Self {
        Self::with_magic(config, None, change)
    }

    pub(crate) fn with_magic(
        config: Config,
        magic: Option<Magic>,
        change: impl FnOnce(DidAuth) -> DidAuth,
    ) -> Self {
        let clock = FixedClock::at(START);
        let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(clock.clone());
        let auth = change(auth);
        let page = config
            .sign_in
            .as_ref()
            .map(|sign_in| sign_in.page(&auth, &config.public.prefix).expect("a page"));
        let site = public::Site { config: Arc::new(config), auth, page, magic };
        let router = public::router(Sites::one(site), &Arc::default(), Arc::new(clock.clone()));
        Self { router: router.expect("valid settings"), clock }
    }

    pub(crate) fn token(&self, wallet: &Wallet) -> String {
        wallet.token(AUDIENCE).issued_at(self.clock.now()).mint()
    }

    pub(crate) async fn send(&self, peer: Peer, mut request: Request<Body>) -> Answer {
        request.extensions_mut().insert(peer);
        let Ok(response) = self.router.clone().oneshot(request).await;
        Answer::read(response).await
    }

    /// Signs in through the proxy; gives the cookie, `name=value`.
    pub(crate) async fn sign_in(&self, wallet: &Wallet) -> String {
        let request = bearer(post("/auth/login"), &self.token(wallet));
        let answer = self.send(PROXY, empty(request)).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
        answer.cookie().expect("signing in sets the cookie")
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn read(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map(|value| value.to_str().expect("ASCII"));
        assert!(values.next().is_none(), "{name} stands twice: {self:?}");
        value
    }

    /// `name=value` of the cookie that is set, or `None`.
    pub(crate) fn cookie(&self) -> Option<String> {
        let cookie = self.header(SET_COOKIE.as_str())?.split(';').next()?.to_owned();
        (!cookie.ends_with('=')).then_some(cookie)
    }

    pub(crate) fn clears_cookie(&self) -> bool {
        let cookie = self.header(SET_COOKIE.as_str());
        cookie.is_some_and(|cookie| cookie.contains("=;") && cookie.contains("Max-Age=0"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

pub(crate) fn get(path: &str) -> http::request::Builder {
    Request::builder().uri(path).header("host", "app.example.com")
}

pub(crate) fn post(path: &str) -> http::request::Builder {
    get(path).method("POST")
}

pub(crate) fn bearer(builder: http::request::Builder, token: &str) -> http::request::Builder {
    builder.header(AUTHORIZATION, format!("Bearer {token}"))
}

pub(crate) fn with_cookie(builder: http::request::Builder, cookie: &str) -> http::request::Builder {
    builder.header(COOKIE, cookie)
}

pub(crate) fn empty(builder: http::request::Builder) -> Request<Body> {
    builder.body(Body::empty()).expect("a request")
}
