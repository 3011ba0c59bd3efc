//! Signing in, signing out, and who one is. The layer has let the request pass.

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use tower_didt::Session;

use crate::forward::UpstreamBody;
use crate::own;

/// Answers what is under `/auth/`.
pub(crate) async fn answer(request: &Request<Incoming>) -> Response<UpstreamBody> {
    let session = request.extensions().get::<Session>().cloned();
    let Some(session) = session else {
        return own(StatusCode::INTERNAL_SERVER_ERROR, "the layer is missing\n");
    };
    match (request.method(), request.uri().path()) {
        // The layer sets the cookie of a token that signs in.
        (&Method::POST, "/auth/login") | (&Method::GET, "/auth/session") => {
            own(StatusCode::OK, format!("{{\"issuer\":\"{}\"}}\n", session.issuer()))
        }
        (&Method::POST, "/auth/logout") => match session.sign_out().await {
            Ok(()) => own(StatusCode::NO_CONTENT, ""),
            Err(_) => own(StatusCode::SERVICE_UNAVAILABLE, "still signed in\n"),
        },
        _ => own(StatusCode::NOT_FOUND, "not found\n"),
    }
}
