//! Calls of the layer in process, without a server or a runtime.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tokio::runtime::Runtime;
use tower_didt::layer::DidService;
use tower_didt::magic::Magic;
use tower_didt::testing::{self, TestUser};
use tower_didt::{Clock, DidAuth, Issuer};
use tower_layer::Layer;
use tower_service::Service;

use crate::AUDIENCE;

/// Answers every request at once, with nothing.
#[derive(Clone, Copy, Debug)]
pub struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        std::hint::black_box(&request);
        ready(Ok(Response::new(())))
    }
}

/// The service above, guarded.
pub type Guarded = DidService<Bare>;

/// A future's output. Stores in memory answer at once: it may not wait but for its turn.
pub fn now<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..100 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("nothing here waits for anybody");
}

/// A request with one header.
#[must_use]
pub fn request(name: &'static str, value: &str) -> Request<()> {
    Request::builder().header(name, value).body(()).expect("a header's value")
}

/// A request with a token.
#[must_use]
pub fn bearer(token: &str) -> Request<()> {
    request("authorization", &format!("Bearer {token}"))
}

/// Signs in with a token: a request with the cookie that comes of it.
///
/// # Panics
///
/// If no session comes of it.
#[must_use]
pub fn signed_in(auth: &DidAuth, token: &str) -> Request<()> {
    let Ok(response) = now(auth.layer().layer(Bare).call(bearer(token)));
    cookie_of(&response)
}

/// Looks people up in a stub that knows this issuer with all that Magic usually says.
#[must_use]
pub fn people(issuers: impl IntoIterator<Item = Issuer>, clock: impl Clock) -> Magic {
    let stub = testing::Magic::new("sk_test_1", AUDIENCE);
    for issuer in issuers {
        let user = TestUser::new(issuer).email("ada.lovelace@example.com");
        stub.add_user(user.oauth_provider("google"));
    }
    Magic::over(stub.api().expect("a key")).with_clock(clock)
}

/// As [`signed_in`], where people are looked up: that takes a runtime.
///
/// # Panics
///
/// If no session comes of it.
#[must_use]
pub fn signed_in_and_looked_up(runtime: &Runtime, auth: &DidAuth, token: &str) -> Request<()> {
    let Ok(response) = runtime.block_on(auth.layer().layer(Bare).call(bearer(token)));
    cookie_of(&response)
}

fn cookie_of<B>(response: &Response<B>) -> Request<()> {
    let cookie = response.headers().get("set-cookie").expect("a session").to_str().expect("ASCII");
    request("cookie", cookie.split(';').next().expect("a pair"))
}

/// Calls a service, and makes sure that the request passed.
///
/// # Panics
///
/// If it did not.
pub fn pass<S>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>, Error = Infallible>,
    S::Response: Status,
{
    let Ok(response) = now(service.call(request));
    assert_eq!(response.status(), 200);
}

/// What has a status: a response, whatever its body.
pub trait Status {
    /// The status.
    fn status(&self) -> u16;
}

impl<B> Status for Response<B> {
    fn status(&self) -> u16 {
        self.status().as_u16()
    }
}
