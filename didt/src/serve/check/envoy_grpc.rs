//! Envoy's `ext_authz` over gRPC: `envoy.service.auth.v3.Authorization/Check`.

use std::sync::Arc;

use axum::Router;
use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction,
    HttpStatusCode,
};
use envoy_types::ext_authz::v3::{
    CheckResponseExt, DeniedHttpResponseBuilder, OkHttpResponseBuilder,
};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use http::header::{AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tonic::{Request, Response, Status};
use tracing::Instrument;

use super::Checks;
use super::denial::Denial;
use super::question::{Kind, Original, Question};
use super::stated::names_no_other_host;
use crate::serve::config::IdentityHeaders;
use crate::serve::peer::{Client, Peer};
use crate::serve::trace;

/// The most that a question may take: heads are limited far below, and bodies are not asked for.
const MAX_QUESTION_BYTES: usize = 256 * 1024;

pub(super) fn router(checks: &Arc<Checks>) -> Router {
    let service = AuthorizationServer::new(Service(Arc::clone(checks)))
        .max_decoding_message_size(MAX_QUESTION_BYTES);
    Router::new().route_service("/envoy.service.auth.v3.Authorization/Check", service)
}

#[derive(Debug)]
struct Service(Arc<Checks>);

#[tonic::async_trait]
impl Authorization for Service {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let peer = request.extensions().get::<Peer>().copied();
        let proxies = &self.0.config.trusted_proxies;
        let original = match peer {
            Some(_) => original(request.into_inner()),
            None => Err(Denial::UntrustedProxy),
        };
        let peer = peer.unwrap_or(Peer::Unix);
        let client = match &original {
            Ok(original) => Client::new(peer, &original.headers, proxies).0,
            Err(_) => None,
        };
        let span = original
            .as_ref()
            .map_or_else(|_| tracing::Span::none(), |original| trace::span(&original.headers));
        let question = Question { kind: Kind::Envoy, peer, client, original };
        let answer = self.0.check(question).instrument(span).await;
        Ok(Response::new(if answer.status() == StatusCode::OK {
            allowed(answer.headers(), &self.0.config.identity)
        } else {
            denied(&answer)
        }))
    }
}

/// The request that Envoy describes.
fn original(question: CheckRequest) -> Result<Original, Denial> {
    let request = question.attributes.and_then(|attributes| attributes.request);
    let http = request.and_then(|request| request.http).ok_or(Denial::NotStated)?;
    let headers = headers(&http)?;
    names_no_other_host(&headers, http.host.as_bytes())?;
    Ok(Original {
        method: http.method.into(),
        scheme: http.scheme.into(),
        host: http.host.into(),
        uri: http.path.into(),
        headers,
    })
}

/// The headers, from whichever of its two fields Envoy fills. Pseudo-headers are stated elsewhere.
///
/// Envoy joins what came twice with commas in the one and keeps it apart in the other: the layer
/// refuses credentials in both forms. An invalid header is a reason to refuse the request:
/// leaving it out would be checking another request than the one that passes.
fn headers(http: &HttpRequest) -> Result<HeaderMap, Denial> {
    let joined = http.headers.iter().map(|(name, value)| (name, value.as_bytes()));
    let apart = http.header_map.iter().flat_map(|map| &map.headers).map(|header| {
        let raw = header.raw_value.as_slice();
        (&header.key, if raw.is_empty() { header.value.as_bytes() } else { raw })
    });
    let mut headers = HeaderMap::new();
    for (name, value) in joined.chain(apart) {
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::try_from(name.as_str()).map_err(|_| Denial::NotStated)?;
        let value = HeaderValue::try_from(value).map_err(|_| Denial::NotStated)?;
        headers.try_append(name, value).map_err(|_| Denial::NotStated)?;
    }
    Ok(headers)
}

/// Lets the request pass: identity headers take the place of whatever the client sent, and what
/// some servers take for one of them goes.
fn allowed(headers: &HeaderMap, identity: &IdentityHeaders) -> CheckResponse {
    let mut ok = OkHttpResponseBuilder::new();
    for name in identity.all() {
        let value = text(headers.get(name));
        ok.add_header(name.as_str(), value, Some(HeaderAppendAction::OverwriteIfExistsOrAdd), true);
        for look_alike in [name.as_str().replace('-', "_"), name.as_str().replace('-', ".")] {
            if look_alike != name.as_str() {
                ok.remove_header(look_alike);
            }
        }
    }
    match headers.get(AUTHORIZATION).filter(|value| !value.is_empty()) {
        // The client's own header is what arrives.
        Some(_) => {}
        None => {
            ok.remove_header(AUTHORIZATION.as_str());
        }
    }
    if let Some(cookie) = headers.get(SET_COOKIE) {
        let append = Some(HeaderAppendAction::AppendIfExistsOrAdd);
        ok.add_response_header(SET_COOKIE.as_str(), text(Some(cookie)), append, false);
    }
    let mut response = CheckResponse::with_status(Status::ok(""));
    response.set_http_response(ok);
    response
}

/// Sends the denial to the client as any other gateway would.
fn denied(answer: &http::Response<Bytes>) -> CheckResponse {
    let mut denied = DeniedHttpResponseBuilder::new();
    let status = HttpStatusCode::try_from(i32::from(answer.status().as_u16()));
    denied.set_http_status(status.unwrap_or(HttpStatusCode::Forbidden));
    for (name, value) in answer.headers() {
        let append = Some(HeaderAppendAction::OverwriteIfExistsOrAdd);
        denied.add_header(name.as_str(), text(Some(value)), append, false);
    }
    denied.set_body(String::from_utf8_lossy(answer.body()));
    let status = match answer.status() {
        StatusCode::UNAUTHORIZED => Status::unauthenticated(""),
        status if status.is_server_error() => Status::unavailable(""),
        _ => Status::permission_denied(""),
    };
    let mut response = CheckResponse::with_status(status);
    response.set_http_response(denied);
    response
}

/// Everything that we write into headers is ASCII.
fn text(value: Option<&HeaderValue>) -> &str {
    value.and_then(|value| value.to_str().ok()).unwrap_or_default()
}
