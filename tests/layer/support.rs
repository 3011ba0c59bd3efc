//! A guarded service, and a browser's part of it.

use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::store::PageRequest;
use tower_didt::testing::{FixedClock, Wallet};
use tower_didt::{Clock, DidAuth, Issuer, Session, SessionRecord, Timestamp, Verifier};
pub(crate) use tower_didt_test_support::store::{Call, FaultyStore};

pub(crate) const AUDIENCE: &str = "did:magic:test-app";
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

pub(crate) type Body = Full<bytes::Bytes>;

/// An application with a clock of its own.
pub(crate) struct App {
    pub(crate) clock: FixedClock,
    pub(crate) auth: DidAuth,
}

impl App {
    /// The first page of an issuer's sessions.
    pub(crate) async fn list(&self, issuer: Issuer) -> Vec<Arc<SessionRecord>> {
        let page = self.auth.sessions_of(issuer, PageRequest::first()).await;
        page.expect("an answer").sessions
    }

    pub(crate) fn new() -> Self {
        LazyLock::force(&LOG);
        let clock = FixedClock::at(START);
        let auth = DidAuth::new(Verifier::new(AUDIENCE)).with_clock(clock.clone());
        Self { clock, auth }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(DidAuth) -> DidAuth) -> Self {
        self.auth = change(self.auth);
        self
    }

    pub(crate) fn token(&self, wallet: &Wallet) -> String {
        wallet.token(AUDIENCE).issued_at(self.clock.now()).mint()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request through a required layer.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        answer(self.auth.layer().layer(service_fn(who_is_calling)).oneshot(request).await).await
    }

    /// Sends a request through an optional layer.
    pub(crate) async fn send_optional(&self, request: Request<Body>) -> Answer {
        let layer = self.auth.layer().optional();
        answer(layer.layer(service_fn(who_is_calling)).oneshot(request).await).await
    }

    /// Sends a request through a required layer that makes a session of each new token.
    pub(crate) async fn send_signing_in_anew(&self, request: Request<Body>) -> Answer {
        let layer = self.auth.layer().signing_in_anew();
        answer(layer.layer(service_fn(who_is_calling)).oneshot(request).await).await
    }

    /// Sends a request through a required layer that makes no sessions.
    pub(crate) async fn send_without_sign_in(&self, request: Request<Body>) -> Answer {
        let layer = self.auth.layer().without_sign_in();
        answer(layer.layer(service_fn(who_is_calling)).oneshot(request).await).await
    }

    /// Signs in with a fresh token; gives the cookie's value.
    pub(crate) async fn sign_in(&self, wallet: &Wallet) -> String {
        let answer = self.send(bearer(&self.token(wallet))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.ticket().expect("signing in sets the cookie")
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) extensions: http::Extensions,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let cookies = self.headers.get_all(SET_COOKIE).iter();
        cookies.map(|value| value.to_str().expect("ASCII").to_owned()).collect()
    }

    /// The session that the response hands out.
    pub(crate) fn ticket(&self) -> Option<String> {
        let cookies = self.set_cookies();
        assert!(cookies.len() <= 1, "{cookies:?}");
        let value = cookies.first()?.strip_prefix("__Host-didt=")?.split(';').next()?;
        Some(value.to_owned()).filter(|value| !value.is_empty())
    }

    /// Whether the response takes the cookie away.
    pub(crate) fn clears_cookie(&self) -> bool {
        self.set_cookies().iter().any(|c| c.starts_with("__Host-didt=;") && c.contains("Max-Age=0"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII"))
    }
}

async fn answer<B>(response: Result<Response<B>, Infallible>) -> Answer
where
    B: http_body::Body<Data = bytes::Bytes>,
    B::Error: std::fmt::Debug,
{
    let Ok(response) = response;
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        extensions: head.extensions,
        body: String::from_utf8(body.to_vec()).expect("text"),
    }
}

/// The guarded service: says who is calling; `/sign-out` and `/everywhere` end sessions.
async fn who_is_calling(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    let Some(session) = request.extensions().get::<Session>().cloned() else {
        return Ok(Response::new(Body::from("nobody")));
    };
    let done = match request.uri().path() {
        "/sign-out" => session.sign_out().await,
        "/everywhere" => session.sign_out_everywhere().await,
        _ => Ok(()),
    };
    let mut response = Response::new(Body::from(session.issuer().to_string()));
    if done.is_err() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

pub(crate) fn request() -> http::request::Builder {
    Request::builder().uri("/")
}

pub(crate) fn empty(builder: http::request::Builder) -> Request<Body> {
    builder.body(Body::default()).expect("a request")
}

pub(crate) fn bearer(token: &str) -> Request<Body> {
    empty(request().header(AUTHORIZATION, format!("Bearer {token}")))
}

pub(crate) fn with_cookie(ticket: &str) -> Request<Body> {
    empty(request().header(COOKIE, format!("__Host-didt={ticket}")))
}

pub(crate) fn to(path: &str, ticket: &str) -> Request<Body> {
    empty(Request::builder().uri(path).header(COOKIE, format!("__Host-didt={ticket}")))
}

pub(crate) fn both(token: &str, ticket: &str) -> Request<Body> {
    let builder = request().header(AUTHORIZATION, format!("Bearer {token}"));
    empty(builder.header(COOKIE, format!("__Host-didt={ticket}")))
}

/// All that was logged in this process so far, at full verbosity.
pub(crate) fn log() -> String {
    String::from_utf8(LOG.0.lock().expect("no panic inside").clone()).expect("text")
}

/// One log for all tests: a subscriber of one thread alone would miss events of
/// places in the code that another thread met first.
static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic inside").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
