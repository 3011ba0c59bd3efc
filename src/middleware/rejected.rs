//! A rejected request: what a rejection handler gets to see.

use std::fmt;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};

use super::{Answer, Rejection, is_navigation};

/// A request that does not pass: why, its head, and the answer that it would get. For
/// [`DidAuth::with_rejection_handler`](super::DidAuth::with_rejection_handler).
pub struct Rejected<'a> {
    rejection: &'a Rejection,
    request: &'a Parts,
    answer: Answer,
}

impl<'a> Rejected<'a> {
    pub(super) const fn new(rejection: &'a Rejection, request: &'a Parts, answer: Answer) -> Self {
        Self { rejection, request, answer }
    }

    /// Why the request does not pass.
    #[must_use]
    pub const fn rejection(&self) -> &'a Rejection {
        self.rejection
    }

    /// The request's method.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        &self.request.method
    }

    /// The request's target.
    #[must_use]
    pub const fn uri(&self) -> &'a Uri {
        &self.request.uri
    }

    /// The request's headers, credentials included: keep them out of logs.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        &self.request.headers
    }

    /// The request's extensions, such as the client's address.
    #[must_use]
    pub const fn extensions(&self) -> &'a Extensions {
        &self.request.extensions
    }

    /// Whether a person opens a page with this request: only then is a redirect to a sign-in page
    /// of use. See [`is_navigation`](super::is_navigation()).
    #[must_use]
    pub fn is_navigation(&self) -> bool {
        is_navigation(&self.request.method, &self.request.headers)
    }

    /// The layer's default answer, to change or to send as it is.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.answer
    }
}

impl fmt::Debug for Rejected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The target may carry secrets in its query, and the headers do.
        f.debug_struct("Rejected")
            .field("rejection", self.rejection)
            .field("method", &self.request.method)
            .field("path", &self.request.uri.path())
            .finish_non_exhaustive()
    }
}
