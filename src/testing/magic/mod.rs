//! Magic's Admin API in process, for tests that need no network.
//!
//! ```text
//! request ─ route (path, key, content type) ─ fault, if one was ordered ─ answer
//! ```

mod answer;
mod control;
mod fault;
mod generation;
mod server;
mod state;
mod user;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

pub use self::fault::Fault;
pub use self::generation::Generation;
pub use self::server::MagicServer;
pub use self::state::{ContentType, SeenRequest, UnknownUser};
pub use self::user::TestUser;

use self::state::State;
use crate::did::Issuer;
use crate::magic::{AdminApi, SecretKey, SecretKeyError};

/// The longest body of a request that is read, in bytes.
const MAX_BODY_LEN: usize = 64 * 1024;

/// A stub of Magic's Admin API: a `tower::Service`, made from the sources of Magic's SDKs.
///
/// It has the calls that look a user up name the client id and
/// sign a user out, of both generations of the API; faults to order; and it remembers what it was asked. For other
/// processes, [`serve`](Self::serve) puts it behind a port of this machine.
///
/// Clones are the same stub.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_didt::DidAuth;
/// use tower_didt::testing::{self, TestUser, Wallet};
///
/// let ada = Wallet::from_seed("ada");
/// let stub = testing::Magic::new("sk_test_1", "did:magic:my-app");
/// stub.add_user(TestUser::new(ada.issuer()).email("ada@example.com"));
///
/// let magic = tower_didt::magic::Magic::over(stub.api()?);
/// assert_eq!(magic.client_id().await?, "did:magic:my-app");
/// let user = magic.user(ada.issuer()).await?;
/// assert_eq!(user.email().map(ToString::to_string), Some("ada@example.com".to_owned()));
/// assert_eq!(stub.calls_about(ada.issuer()), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Magic {
    state: Arc<Mutex<State>>,
    secret_key: Arc<str>,
}

impl Magic {
    /// A stub that expects this secret key and says that it is this application's.
    #[must_use]
    pub fn new(secret_key: &str, client_id: &str) -> Self {
        let state = State::new(secret_key, client_id);
        Self { state: Arc::new(Mutex::new(state)), secret_key: secret_key.into() }
    }

    /// The client for this stub.
    ///
    /// # Errors
    ///
    /// [`SecretKeyError`] if the stub's secret key is not of the form of Magic's.
    pub fn api(&self) -> Result<AdminApi, SecretKeyError> {
        Ok(AdminApi::with_service(self.clone(), self.secret_key.parse::<SecretKey>()?))
    }

    /// Adds a user, or changes what is said of one.
    pub fn add_user(&self, user: TestUser) {
        self.lock().add_user(user);
    }

    /// Takes a user away, as a deletion at Magic does.
    pub fn remove_user(&self, issuer: Issuer) {
        self.lock().remove_user(issuer);
    }

    /// Expects another secret key from now on: those who have the old one are refused.
    pub fn change_key(&self, secret_key: &str) {
        self.lock().secret_key = secret_key.into();
    }

    /// Which generation of the API it is. Defaults to the new one.
    pub fn set_generation(&self, generation: Generation) {
        self.lock().generation = generation;
    }

    /// How the stub reports an unknown user. Defaults to [`UnknownUser::NotFound`].
    pub fn set_unknown_user(&self, answer: UnknownUser) {
        self.lock().unknown_user = answer;
    }

    /// Which `Content-Type` it accepts of a `POST`. Defaults to any: both are seen of Magic's SDKs.
    pub fn set_content_type(&self, accepted: ContentType) {
        self.lock().content_type = accepted;
    }

    /// Orders a fault for the next request that has none yet.
    pub fn fail_next(&self, fault: Fault) {
        self.lock().queue(fault);
    }

    /// Sets a fault for every request that has no other; `None` ends it.
    pub fn fail_always(&self, fault: Option<Fault>) {
        self.lock().standing = fault;
    }

    /// How many requests came, those that failed included.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// How many requests asked who this issuer is.
    #[must_use]
    pub fn calls_about(&self, issuer: Issuer) -> usize {
        self.lock().calls_about(issuer)
    }

    /// The issuers that it was asked to sign out, in order.
    #[must_use]
    pub fn signed_out(&self) -> Vec<Issuer> {
        self.lock().signed_out.clone()
    }

    /// The last requests with their headers, oldest first: a thousand at most.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.lock().seen()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`answer`](Self::answer), with endpoints that order faults.
    async fn answer_other_processes<B>(self, request: Request<B>) -> io::Result<Response<String>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        match self.control(&head, &body) {
            Some(answer) => Ok(answer),
            None => self.answer_to(head, body).await,
        }
    }

    async fn answer<B>(self, request: Request<B>) -> io::Result<Response<String>>
    where
        B: Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = collect(body).await?;
        self.answer_to(head, body).await
    }

    async fn answer_to(
        self,
        head: http::request::Parts,
        body: Vec<u8>,
    ) -> io::Result<Response<String>> {
        let fault = self.lock().take(&head, &body);
        let Some(fault) = fault else {
            return Ok(self.lock().answer(&head, &body));
        };
        match fault {
            Fault::Delay(delay) => {
                tokio::time::sleep(delay).await;
                Ok(self.lock().answer(&head, &body))
            }
            Fault::Hang => std::future::pending().await,
            Fault::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            other => Ok(other.to_response(self.lock().generation)),
        }
    }
}

/// The stub's clients are tests; a body that is too long is an error to them.
async fn collect<B>(body: B) -> io::Result<Vec<u8>>
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut collected = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(mut data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        if collected.len() + data.remaining() > MAX_BODY_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            let len = chunk.len();
            collected.extend_from_slice(chunk);
            data.advance(len);
        }
    }
    Ok(collected)
}

impl<B> Service<Request<B>> for Magic
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = Response<String>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Response<String>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl fmt::Debug for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Magic").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
