//! One place shapes every answer of the layer: rejections, refusals of hooks, failures of stores
//! and of extractors.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::rejection::Shown;
use super::{Answer, Rejected, Rejection, forbid_storing};

/// `Retry-After` of a 503, unless another is set.
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The `realm` of challenges, unless another is set.
pub(super) const DEFAULT_REALM: &str = "magic";

/// Answers rejected requests in the application's own way.
pub(super) type RejectionHandler = Arc<dyn Fn(Rejected<'_>) -> Answer + Send + Sync>;

/// Writes the answers to rejected requests.
#[derive(Clone)]
pub(super) struct Responder {
    pub(super) realm: Box<str>,
    pub(super) retry_after: Duration,
    pub(super) grpc: bool,
    /// Also tells the client the reason. For development.
    pub(super) debug_reasons: bool,
    pub(super) handler: Option<RejectionHandler>,
}

impl Responder {
    /// Answers a rejected request.
    pub(super) fn respond(&self, rejection: Rejection, request: &Parts) -> Answer {
        let answer = self.default_answer(&rejection);
        let answer = match &self.handler {
            Some(handler) => handler(Rejected::new(&rejection, request, answer)),
            None => answer,
        };
        self.finish(rejection, answer)
    }

    /// The same where the request's head was not kept: only if there is no handler to see it.
    pub(super) fn respond_without_head(&self, rejection: Rejection) -> Answer {
        let answer = self.default_answer(&rejection);
        self.finish(rejection, answer)
    }

    /// Whether answering takes the request's head.
    pub(super) const fn needs_head(&self) -> bool {
        self.handler.is_some()
    }

    fn default_answer(&self, rejection: &Rejection) -> Answer {
        let own = match rejection {
            Rejection::Refused(refusal) if !self.grpc => refusal.take_answer(),
            _ => None,
        };
        let mut answer = own.unwrap_or_else(|| match self.grpc {
            true => grpc_answer(rejection, self.debug_reasons),
            false => http_answer(rejection, self.debug_reasons),
        });
        self.add_headers(rejection, answer.headers_mut());
        answer
    }

    /// Applies what holds for every answer, wherever it comes from.
    pub(super) fn finish(&self, rejection: Rejection, mut answer: Answer) -> Answer {
        if answer.status() == StatusCode::UNAUTHORIZED
            && !answer.headers().contains_key(WWW_AUTHENTICATE)
        {
            self.add_challenge(&rejection, answer.headers_mut());
        }
        forbid_storing(answer.headers_mut());
        answer.extensions_mut().insert(rejection);
        answer
    }

    fn add_headers(&self, rejection: &Rejection, headers: &mut HeaderMap) {
        let shown = rejection.shown();
        if shown.status == StatusCode::UNAUTHORIZED || shown.challenge.is_some() {
            self.add_challenge(rejection, headers);
        }
        if rejection.status() == StatusCode::SERVICE_UNAVAILABLE
            && !headers.contains_key(RETRY_AFTER)
        {
            let wait = rejection.retry_after().unwrap_or(self.retry_after);
            headers.insert(RETRY_AFTER, wait.as_secs().max(1).into());
        }
    }

    /// RFC 6750 section 3: at least one parameter, `error` only for a bearer token.
    fn add_challenge(&self, rejection: &Rejection, headers: &mut HeaderMap) {
        let mut challenge = format!("Bearer realm=\"{}\"", self.realm);
        if let Some(error) = rejection.shown().challenge {
            challenge.push_str(&format!(", error=\"{error}\""));
        }
        if let Ok(value) = HeaderValue::try_from(challenge) {
            headers.insert(WWW_AUTHENTICATE, value);
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("realm", &self.realm)
            .field("retry_after", &self.retry_after)
            .field("grpc", &self.grpc)
            .field("debug_reasons", &self.debug_reasons)
            .finish_non_exhaustive()
    }
}

/// Marks an answer that a handler made of a rejection: the layer around it has not written it yet.
#[derive(Clone)]
struct ByHandler;

impl Rejection {
    /// Answers a request from within a handler as the layer would have done: for a service without
    /// axum, where under axum the rejection is `IntoResponse`.
    ///
    /// The layer around the handler replaces the answer by its own, so that the settings and the
    /// [rejection handler](super::DidAuth::with_rejection_handler) count here too, unless the
    /// handler changed the status.
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower_didt::{Rejection, Session};
    /// use tower_didt::layer::AnswerBody;
    ///
    /// async fn sign_out<B>(request: Request<B>) -> Response<AnswerBody> {
    ///     let Some(session) = request.extensions().get::<Session>() else {
    ///         return Rejection::MissingCredentials.into_answer().into_response();
    ///     };
    ///     match session.sign_out().await {
    ///         Ok(()) => Response::new(AnswerBody::default()),
    ///         Err(error) => Rejection::from(error).into_answer().into_response(),
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn into_answer(self) -> Answer {
        let words = Responder {
            realm: DEFAULT_REALM.into(),
            retry_after: DEFAULT_RETRY_AFTER,
            grpc: false,
            debug_reasons: false,
            handler: None,
        };
        let mut answer = words.respond_without_head(self);
        answer.extensions_mut().insert(ByHandler);
        answer
    }
}

/// The rejection that a handler answered with, unless it, or a layer on the way, made something
/// else of the answer.
pub(super) fn taken_from_handler<B>(response: &mut Response<B>) -> Option<Rejection> {
    response.extensions_mut().remove::<ByHandler>()?;
    let rejection = response.extensions().get::<Rejection>()?;
    (response.status() == rejection.status()).then(|| rejection.clone())
}

/// `{"error":"…"}` and the status. A reason may quote the token: it goes through JSON.
fn http_answer(rejection: &Rejection, debug_reasons: bool) -> Answer {
    let Shown { status, error, .. } = rejection.shown();
    let body = if debug_reasons {
        let (reason, description) = (rejection.name(), rejection.to_string());
        serde_json::json!({ "error": error, "reason": reason, "error_description": description })
            .to_string()
    } else if let Some(reason) = rejection.reason_for_client() {
        format!("{{\"error\":\"{error}\",\"reason\":\"{reason}\"}}")
    } else {
        format!("{{\"error\":\"{error}\"}}")
    };
    let mut answer = Answer::new(status, Bytes::from(body + "\n"));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// A gRPC response without messages: status in the headers, HTTP status 200.
fn grpc_answer(rejection: &Rejection, debug_reasons: bool) -> Answer {
    let Shown { error, grpc, .. } = rejection.shown();
    let message = if debug_reasons { rejection.name() } else { error };
    let mut answer = Answer::new(StatusCode::OK, Bytes::new());
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", u16::from(grpc).into());
    headers.insert("grpc-message", HeaderValue::from_static(message));
    answer
}
