//! A response of the layer's own: what a request that does not pass gets.

use bytes::Bytes;
use http::{Extensions, HeaderMap, Response, StatusCode};
#[cfg(not(feature = "axum"))]
use http_body::Body;

use super::body::AnswerBody;
#[cfg(not(feature = "axum"))]
use crate::session::BoxError;

/// A response that takes the place of the inner service's: to a rejected request, or a
/// [`Refusal`](super::Refusal) of a hook.
///
/// Made from a `Response` with any body of [`Bytes`](bytes::Bytes) (a `Response<String>` will do);
/// with the feature `axum`, from anything that is `IntoResponse`.
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_didt::layer::Answer;
///
/// let mut answer = Answer::from(Response::new("your subscription has ended".to_owned()));
/// *answer.status_mut() = StatusCode::PAYMENT_REQUIRED;
/// ```
#[derive(Debug)]
pub struct Answer(Response<AnswerBody>);

impl Answer {
    pub(super) fn new(status: StatusCode, body: Bytes) -> Self {
        let mut response = Response::new(AnswerBody::from(body));
        *response.status_mut() = status;
        Self(response)
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The status code, to be changed.
    pub fn status_mut(&mut self) -> &mut StatusCode {
        self.0.status_mut()
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The headers, to be changed.
    pub fn headers_mut(&mut self) -> &mut HeaderMap {
        self.0.headers_mut()
    }

    /// The extensions, to be changed: they reach middleware further out.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.0.extensions_mut()
    }

    /// The whole response.
    #[must_use]
    pub fn into_response(self) -> Response<AnswerBody> {
        self.0
    }
}

// The feature `axum` widens this to `IntoResponse`, which every such response is; see `axum.rs`.
#[cfg(not(feature = "axum"))]
impl<B> From<Response<B>> for Answer
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn from(response: Response<B>) -> Self {
        Self(response.map(AnswerBody::new))
    }
}

#[cfg(feature = "axum")]
impl<T: axum_core::response::IntoResponse> From<T> for Answer {
    fn from(response: T) -> Self {
        Self(response.into_response().map(AnswerBody::new))
    }
}
