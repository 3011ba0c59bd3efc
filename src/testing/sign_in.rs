//! A session for tests, made as any other: by a token, through the layer.
#![expect(clippy::expect_used, clippy::panic, reason = "a test helper: what fails, fails the test")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::{HeaderValue, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::Wallet;
use crate::middleware::{AuthBody, DidAuth, Rejection, Session};

/// Signs a wallet in, and returns the `Cookie` header of its new session.
///
/// The token goes through `auth`'s own layer, with its audience, clock, hook and
/// [bound login](DidAuth::with_bound_login).
///
/// ```
/// # #[cfg(feature = "axum")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use tower::ServiceExt;
/// use tower_didt::testing::{Wallet, sign_in};
/// use tower_didt::{DidAuth, Session, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
/// let app: Router = Router::new()
///     .route("/me", get(async |session: Session| session.issuer().to_string()))
///     .layer(auth.layer());
///
/// let cookie = sign_in(&auth, &Wallet::from_seed("alice")).await;
/// let request = Request::get("/me").header("cookie", cookie).body(Body::empty()).unwrap();
/// assert_eq!(app.oneshot(request).await.unwrap().status(), 200);
/// # }
/// # #[cfg(not(feature = "axum"))]
/// # fn main() {}
/// ```
///
/// # Panics
///
/// If the layer does not let the wallet in, or sets no cookie.
pub async fn sign_in(auth: &DidAuth, wallet: &Wallet) -> HeaderValue {
    let response = enter(auth, wallet).await;
    // The session's comes first, then the one that ends the challenge.
    pair(response.headers().get(SET_COOKIE).expect("a session cookie"))
}

/// Signs a wallet in, and returns its new session: to call a handler as a function, without a
/// router.
///
/// The session is a real one, in `auth`'s store: its data is what the hook attached, it can be
/// changed and ended, and with [`with_magic`](DidAuth) its profile is what Magic's stand-in said.
/// Where sessions live in their cookies, its data cannot be changed: no response is to come.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_didt::testing::{Wallet, session};
/// use tower_didt::{DidAuth, Refusal, Session, Verifier};
///
/// async fn hello(session: Session) -> String {
///     format!("hello, {}", session.require_data::<String>().unwrap())
/// }
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
///     .with_on_login(|_| async { Ok::<_, Refusal>("Alice") });
/// let alice = session(&auth, &Wallet::from_seed("alice")).await;
/// assert_eq!(hello(alice).await, "hello, Alice");
/// # }
/// ```
///
/// # Panics
///
/// If the layer does not let the wallet in.
pub async fn session(auth: &DidAuth, wallet: &Wallet) -> Session {
    let response = enter(auth, wallet).await;
    response.extensions().get::<Session>().expect("a request that passed has a session").clone()
}

/// The response to a request that signs a wallet in.
async fn enter(auth: &DidAuth, wallet: &Wallet) -> Response<AuthBody<()>> {
    let (audience, now) = auth.expects();
    let audience = audience.expect("an audience, for which the token can be made");
    let challenge = auth.challenge().expect("the operating system has random numbers");
    let token = wallet.token(audience).issued_at(now).attachment(challenge.value()).mint();
    let request = Request::builder()
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .header(COOKIE, pair(challenge.set_cookie()))
        .body(())
        .expect("a token and a cookie are ASCII");
    let Ok(response) = auth.layer().layer(Inner).call(request).await;
    if let Some(rejection) = response.extensions().get::<Rejection>() {
        panic!("{wallet:?} was not signed in: {rejection}");
    }
    response
}

/// `name=value` of a `Set-Cookie`.
fn pair(set_cookie: &HeaderValue) -> HeaderValue {
    let pair = set_cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    HeaderValue::from_bytes(pair).expect("a part of a header")
}

/// Whatever the layer lets pass is fine. The response says whose session it was.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut response = Response::new(());
        if let Some(session) = request.extensions().get::<Session>() {
            response.extensions_mut().insert(session.clone());
        }
        ready(Ok(response))
    }
}
