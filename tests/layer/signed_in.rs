//! The helper that gives a service as somebody sees it who is signed in.

use http::HeaderValue;
use http::header::COOKIE;
use tower::{Layer, ServiceExt, service_fn};
use tower_didt::testing::{Wallet, signed_in};
use tower_didt::{Issuer, Session};

use crate::support::{App, Body, empty, request};

#[tokio::test]
async fn the_signed_in_service_sends_its_cookie_beside_others_in_one_header() {
    let app = App::new();
    let alice = Wallet::from_seed("alice");
    let echo = service_fn(|request: http::Request<Body>| async move {
        let cookies: Vec<_> = request.headers().get_all(COOKIE).iter().cloned().collect();
        let issuer = request.extensions().get::<Session>().map(Session::issuer);
        let mut response = http::Response::new(Body::default());
        response.extensions_mut().insert((cookies, issuer));
        Ok::<_, std::convert::Infallible>(response)
    });
    let guarded = app.auth.layer().layer(echo);
    let service = signed_in(guarded, &app.auth, &alice).await;
    let session = service.cookie().to_str().expect("ASCII").to_owned();
    for (others, sent) in [
        (&[][..], session.clone()),
        (&["a=1; b=2"], format!("{session}; a=1; b=2")),
        (&["a=1", "b=2"], format!("{session}; a=1; b=2")),
    ] {
        let request =
            others.iter().fold(request(), |request, other| request.header(COOKIE, *other));
        let Ok(response) = service.clone().oneshot(empty(request)).await;
        let seen = response.extensions().get::<(Vec<HeaderValue>, Option<Issuer>)>();
        let (cookies, issuer) = seen.expect("passed");
        assert_eq!(
            (cookies.as_slice(), *issuer),
            (&[HeaderValue::try_from(sent).expect("ASCII")][..], Some(alice.issuer()))
        );
    }
}
