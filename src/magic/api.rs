//! The calls of Magic's Admin API: each asks once, within one time budget.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{Method, Request, Response};
use http_body::Body;
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use super::endpoint::{DEFAULT_URL, Endpoint};
use super::error::{MagicError, NotUnderstood, Unavailable};
use super::exchange::{Broken, Exchange};
use super::observe;
use super::{MagicConfigError, MagicUser, SecretKey, Transport, answer};
use crate::did::{Issuer, Timestamp, Verifier};
use crate::stopwatch::Stopwatch;

/// How long a call may take by default, retry included.
const DEFAULT_TIME_BUDGET: Duration = Duration::from_secs(3);

/// The shortest pause before a retry; as much again, and more, is drawn by lot, so that
/// callers who failed together do not return together.
const MIN_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// The longest name of a kind of wallet, in bytes. Magic's have up to 8.
const MAX_WALLET_KIND_LEN: usize = 32;

const KEY_HEADER: &str = "x-magic-secret-key";

const OUR_NAME: &str = concat!("tower-didt/", env!("CARGO_PKG_VERSION"));

/// Magic's Admin API, for one application: every call is a request to Magic.
///
/// [`Magic`](super::Magic) has the same calls with a cache between, and is what
/// [`DidAuth`](crate::DidAuth) takes.
///
/// A call ends within its [time budget](Self::with_time_budget), retry included. `GET`s are sent a
/// second time after a broken connection and after 502, 503 and 504, `POST`s only where no
/// connection was made. Answers longer than 64 KiB are refused, redirects are not followed.
#[derive(Clone)]
pub struct AdminApi {
    exchange: Exchange,
    key: SecretKey,
    endpoint: Endpoint,
    budget: Duration,
    wallets: Arc<str>,
}

impl AdminApi {
    /// The API over the built-in [`Transport`].
    ///
    /// # Errors
    ///
    /// As [`Transport::new`].
    pub fn new(key: SecretKey) -> Result<Self, MagicConfigError> {
        Self::with_service(Transport::new()?, key).with_url(DEFAULT_URL)
    }

    /// The API over a service of your own: one with other limits, or a stub in a test.
    ///
    /// It gets requests with absolute URLs and must not follow redirects. For one that takes
    /// another type of body, `tower::ServiceExt::map_request(|request| request.map(Into::into))`.
    #[must_use]
    pub fn with_service<S, B>(service: S, key: SecretKey) -> Self
    where
        S: Service<Request<String>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self {
            exchange: Exchange::over(service),
            key,
            endpoint: Endpoint::default(),
            budget: DEFAULT_TIME_BUDGET,
            wallets: "NONE".into(),
        }
    }

    /// Where the API is. Defaults to `https://api.toaster.magic.link`. `http://` is for
    /// stubs on this machine.
    ///
    /// # Errors
    ///
    /// [`MagicConfigError::InvalidApiUrl`] unless it is `https://` (or `http://` and a
    /// loopback address) and a host, without user, query and fragment.
    pub fn with_url(mut self, url: &str) -> Result<Self, MagicConfigError> {
        self.endpoint = Endpoint::parse(url)?;
        Ok(self)
    }

    /// Whether [`with_url`](Self::with_url) accepts this URL: to check settings without a key.
    #[must_use]
    pub fn is_url(url: &str) -> bool {
        Endpoint::parse(url).is_ok()
    }

    /// How long a call may take, retry included. Defaults to 3 seconds.
    #[must_use]
    pub fn with_time_budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Which wallets [`user`](Self::user) lists: a kind such as `SOLANA`, or `ANY`. Defaults to
    /// `NONE`.
    ///
    /// # Errors
    ///
    /// [`MagicConfigError::InvalidWalletKind`] unless it is ASCII letters, digits and `_`.
    pub fn with_wallets(mut self, kind: &str) -> Result<Self, MagicConfigError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if kind.is_empty() || kind.len() > MAX_WALLET_KIND_LEN || !kind.bytes().all(plain) {
            return Err(MagicConfigError::InvalidWalletKind);
        }
        self.wallets = kind.into();
        Ok(self)
    }

    /// The client id of the application whose secret key this is: the audience of its tokens.
    ///
    /// # Errors
    ///
    /// [`MagicError`], also where the answer has no client id: it is never blank.
    pub async fn client_id(&self) -> Result<String, MagicError> {
        let call = Call::get("client_id", "/v1/admin/client".to_owned());
        self.call(call, answer::client_id).await
    }

    /// A verifier for tokens of the application whose secret key this is. Fails closed: without an
    /// answer there is no verifier.
    ///
    /// # Errors
    ///
    /// As [`client_id`](Self::client_id).
    pub async fn verifier(&self) -> Result<Verifier, MagicError> {
        Ok(Verifier::new(self.client_id().await?))
    }

    /// Looks up who is behind an issuer. `now` becomes [`MagicUser::asked_at`].
    ///
    /// # Errors
    ///
    /// [`MagicError::NoSuchUser`] if the application has no such user; others if Magic did not say.
    pub async fn user(&self, issuer: Issuer, now: Timestamp) -> Result<MagicUser, MagicError> {
        // The colons stand for themselves: percent-encoded ones were refused for a time.
        let call = format!("/v1/admin/user?issuer={issuer}&wallet_type={}", self.wallets);
        let person =
            self.call(Call::get("user", call), |answer| answer::user(answer, issuer)).await?;
        Ok(MagicUser::new(issuer, now, person))
    }

    /// Ends a user's sessions *with Magic*, in all browsers. Your own sessions and tokens that
    /// exist are another matter: end those first.
    ///
    /// # Errors
    ///
    /// [`MagicError`]. Magic also fails where its session had ended already.
    pub async fn sign_out(&self, issuer: Issuer) -> Result<(), MagicError> {
        let body = serde_json::json!({ "issuer": issuer }).to_string();
        let call = Call::post("sign_out", "/v1/admin/user/logout".to_owned(), body);
        self.call(call, answer::signed_out).await
    }

    /// How long a call may take.
    pub(super) const fn budget(&self) -> Duration {
        self.budget
    }

    async fn call<T>(
        &self,
        call: Call,
        read: impl FnOnce(&Response<Bytes>) -> Result<T, MagicError>,
    ) -> Result<T, MagicError> {
        let started = Stopwatch::start();
        let timed_out = MagicError::Unavailable(Unavailable::TimedOut);
        let result = timeout(self.budget, self.try_twice(&call))
            .await
            .unwrap_or(Err(timed_out))
            .and_then(|answer| read(&answer));
        observe::called(call.name, started, result.as_ref().err());
        result
    }

    async fn try_twice(&self, call: &Call) -> Result<Response<Bytes>, MagicError> {
        let deadline = Instant::now() + self.budget;
        let first = self.exchange.send(self.request(call)?).await;
        let pause = pause();
        let outcome = if call.may_retry(&first) && Instant::now() + pause < deadline {
            sleep(pause).await;
            self.exchange.send(self.request(call)?).await
        } else {
            first
        };
        outcome.map_err(|broken| match broken {
            Broken::NotConnected(error) | Broken::Interrupted(error) => {
                MagicError::Unavailable(Unavailable::Connection(error))
            }
            Broken::TooLarge => MagicError::NotUnderstood(NotUnderstood::TooLarge),
        })
    }

    fn request(&self, call: &Call) -> Result<Request<String>, MagicError> {
        let unusable = MagicError::NotUnderstood(NotUnderstood::Request);
        let (Some(uri), Some(key)) = (self.endpoint.uri(&call.target), self.key.to_header()) else {
            return Err(unusable);
        };
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(uri)
            .header(KEY_HEADER, key)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, OUR_NAME);
        if call.method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(call.body.clone()).map_err(|_| unusable)
    }
}

impl fmt::Debug for AdminApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminApi").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// What is asked.
struct Call {
    name: &'static str,
    method: Method,
    target: String,
    body: String,
}

impl Call {
    const fn get(name: &'static str, target: String) -> Self {
        Self { name, method: Method::GET, target, body: String::new() }
    }

    const fn post(name: &'static str, target: String, body: String) -> Self {
        Self { name, method: Method::POST, target, body }
    }

    /// Whether asking a second time may help and can do no harm.
    fn may_retry(&self, outcome: &Result<Response<Bytes>, Broken>) -> bool {
        match outcome {
            Err(Broken::NotConnected(_)) => true,
            Err(Broken::Interrupted(_)) => self.method == Method::GET,
            Err(Broken::TooLarge) => false,
            Ok(answer) => {
                self.method == Method::GET && matches!(answer.status().as_u16(), 502..=504)
            }
        }
    }
}

/// 50 to 305 ms, drawn by lot.
fn pause() -> Duration {
    let mut lot = [0u8];
    // Without random numbers all wait alike: no reason to fail.
    let _ = getrandom::fill(&mut lot);
    MIN_RETRY_PAUSE + Duration::from_millis(u64::from(lot[0]))
}
