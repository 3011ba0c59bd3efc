//! A service as a signed-in user sees it.
#![expect(clippy::expect_used, reason = "a test helper: what fails, fails the test")]

use std::task::{Context, Poll};

use http::header::COOKIE;
use http::{HeaderValue, Request};
use tower_service::Service;

use super::{Wallet, sign_in};
use crate::middleware::DidAuth;

/// Signs a wallet in, and returns the service as its browser sees it: every request comes with
/// the cookie of the new session.
///
/// `app` is any service that `auth`'s layer guards, such as axum's `Router`. For just the cookie,
/// there is [`sign_in`].
///
/// ```
/// # #[cfg(feature = "axum")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use axum::{Router, body::Body, http::Request, routing::{get, post}};
/// use tower::ServiceExt;
/// use tower_didt::testing::{Wallet, signed_in};
/// use tower_didt::{DidAuth, Session, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
/// let app: Router = Router::new()
///     .route("/me", get(async |session: Session| session.issuer().to_string()))
///     .route("/sign-out", post(async |session: Session| session.sign_out().await))
///     .layer(auth.layer());
///
/// let alice = signed_in(app.clone(), &auth, &Wallet::from_seed("alice")).await;
/// let me = || Request::get("/me").body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(me()).await.unwrap().status(), 401);
/// assert_eq!(alice.clone().oneshot(me()).await.unwrap().status(), 200);
///
/// let sign_out = Request::post("/sign-out").body(Body::empty()).unwrap();
/// assert_eq!(alice.clone().oneshot(sign_out).await.unwrap().status(), 200);
/// assert_eq!(alice.oneshot(me()).await.unwrap().status(), 401);
/// # }
/// # #[cfg(not(feature = "axum"))]
/// # fn main() {}
/// ```
///
/// # Panics
///
/// As [`sign_in`].
pub async fn signed_in<S>(app: S, auth: &DidAuth, wallet: &Wallet) -> SignedIn<S> {
    SignedIn { app, cookie: sign_in(auth, wallet).await }
}

/// A service whose requests all come with a session's cookie. Made by [`signed_in`].
///
/// Unlike a browser it keeps the cookie whatever responses say: after signing out, the server
/// has to refuse it.
#[derive(Clone, Debug)]
pub struct SignedIn<S> {
    app: S,
    cookie: HeaderValue,
}

impl<S> SignedIn<S> {
    /// The `Cookie` header that requests get.
    #[must_use]
    pub const fn cookie(&self) -> &HeaderValue {
        &self.cookie
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for SignedIn<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.app.poll_ready(context)
    }

    /// Adds the cookie to those that the request has, in one header as browsers send them.
    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let mut cookies = self.cookie.as_bytes().to_vec();
        for others in request.headers().get_all(COOKIE) {
            cookies.extend_from_slice(b"; ");
            cookies.extend_from_slice(others.as_bytes());
        }
        let mut cookies = HeaderValue::from_bytes(&cookies).expect("made of headers");
        cookies.set_sensitive(true);
        request.headers_mut().insert(COOKIE, cookies);
        self.app.call(request)
    }
}
