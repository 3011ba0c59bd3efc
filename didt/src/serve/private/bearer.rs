//! Administrators are those who know the secret.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::serve::config::Secret;

/// RFC 6750 section 3, without an error code, so that a guess learns nothing.
const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="didt administration""#);

/// The secret that administration asks for, hashed: digests are of one length, and the time
/// that comparing them takes tells nothing about the secret.
#[derive(Clone)]
pub(super) struct Guard(Arc<[u8; 32]>);

impl Guard {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(Arc::new(Sha256::digest(secret.expose()).into()))
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        let mut all = headers.get_all(AUTHORIZATION).iter();
        let (Some(only), None) = (all.next(), all.next()) else {
            return false;
        };
        let Some(presented) = credential(only.as_bytes()) else {
            return false;
        };
        let digest: [u8; 32] = Sha256::digest(presented).into();
        digest.ct_eq(&*self.0).into()
    }
}

/// `Bearer`, in any case, one space, and something.
fn credential(value: &[u8]) -> Option<&[u8]> {
    let (scheme, credential) = value.split_at_checked("Bearer ".len())?;
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !credential.is_empty()).then_some(credential)
}

/// Lets only administrators pass.
pub(super) async fn administrators_only(
    State(guard): State<Guard>,
    request: Request,
    next: Next,
) -> Response {
    if guard.admits(request.headers()) {
        return next.run(request).await;
    }
    tracing::warn!("refused administration without the secret");
    let headers =
        [(WWW_AUTHENTICATE, CHALLENGE), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::UNAUTHORIZED, headers).into_response()
}
