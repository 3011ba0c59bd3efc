//! A layer over a store, and what goes in and comes out of it.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::store::{PageRequest, SessionStore};
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{
    DidAuth, Issuer, Lifetimes, Replay, Session, SessionHandle, SessionRecord, Timestamp, Verifier,
};

use crate::reference::{ABSOLUTE, IDLE, MAX_TOKEN_AGE, User};

const AUDIENCE: &str = "did:magic:test-app";

/// The model's time zero.
const START: i64 = 1_700_000_000;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) auth: DidAuth,
    clock: FixedClock,
}

/// What a handler does with the session that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handler {
    Answer,
    SignOut,
    SignOutEverywhere,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Who the handler was told is calling.
    pub(crate) caller: Option<(Issuer, Option<SessionHandle>)>,
    /// Value of the cookie that was set; empty where it was taken away.
    pub(crate) cookie: Option<String>,
}

impl World {
    /// All living sessions of an issuer, page by page: small ones, so that there are several.
    pub(crate) async fn list(&self, issuer: Issuer) -> Vec<Arc<SessionRecord>> {
        let (mut request, mut all) = (PageRequest::first().with_size(2), Vec::new());
        loop {
            let page = self.auth.sessions_of(issuer, request).await.expect("listed");
            all.extend(page.sessions);
            let Some(next) = page.next else { return all };
            request = PageRequest::after(next).with_size(2);
        }
    }

    /// What of an issuer's sessions lives at one moment, which several pages are not.
    pub(crate) async fn first_page(&self, issuer: Issuer) -> Vec<Arc<SessionRecord>> {
        let page = self.auth.sessions_of(issuer, PageRequest::first()).await;
        page.expect("listed").sessions
    }

    pub(crate) fn new(store: impl SessionStore, cap: Option<usize>, single_use: bool) -> Self {
        let seconds = |n: i64| Duration::from_secs(n.unsigned_abs());
        let clock = FixedClock::at(Timestamp::from_secs(START));
        let lifetimes = Lifetimes::new(seconds(ABSOLUTE)).with_idle_timeout(seconds(IDLE));
        let mut auth = DidAuth::new(Verifier::new(AUDIENCE))
            .with_clock(clock.clone())
            .with_store(store)
            .with_lifetimes(lifetimes)
            .with_max_token_age(seconds(MAX_TOKEN_AGE));
        if let Some(cap) = cap.and_then(NonZeroUsize::new) {
            auth = auth.with_max_sessions_per_issuer(cap);
        }
        if single_use {
            auth = auth.with_replay(Replay::SingleUse);
        }
        Self { auth, clock }
    }

    pub(crate) fn set_time(&self, now: i64) {
        self.clock.set(Timestamp::from_secs(START + now));
    }

    pub(crate) fn issuer(user: User) -> Issuer {
        Self::wallet(user).issuer()
    }

    /// A token that never expires by its own word.
    pub(crate) fn token(user: User, issued: i64) -> String {
        let issued = Timestamp::from_secs(START + issued);
        Self::wallet(user).token(AUDIENCE).issued_at(issued).set("ext", 1e15).mint()
    }

    pub(crate) async fn send(
        &self,
        token: Option<&str>,
        cookie: Option<&str>,
        handler: Handler,
    ) -> Reply {
        let mut request = Request::builder();
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, format!("__Host-didt={cookie}"));
        }
        let service = service_fn(move |request: Request<()>| async move {
            let session = request.extensions().get::<Session>().expect("passed").clone();
            let done = match handler {
                Handler::Answer => Ok(()),
                Handler::SignOut => session.sign_out().await,
                Handler::SignOutEverywhere => session.sign_out_everywhere().await,
            };
            let mut response = Response::new(());
            if done.is_err() {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            response.extensions_mut().insert((session.issuer(), session.handle()));
            Ok::<_, Infallible>(response)
        });
        let request = request.body(()).expect("a request");
        let Ok(response) = self.auth.layer().layer(service).oneshot(request).await;
        let cookie = response.headers().get(SET_COOKIE).map(|value| {
            let pair = value.to_str().expect("ASCII").split(';').next().expect("a pair");
            pair.strip_prefix("__Host-didt=").expect("the session cookie").to_owned()
        });
        Reply { status: response.status(), caller: response.extensions().get().copied(), cookie }
    }

    fn wallet(user: User) -> Wallet {
        Wallet::from_seed(format!("user {user}"))
    }
}
