//! A rejected request: what a rejection handler gets to see.

use std::fmt;

use http::header::{ACCEPT, AUTHORIZATION, UPGRADE};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri};

use super::{Answer, Rejection};

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

    /// Whether a browser asks for a page to show, and not a script or a program for data: only then
    /// is a redirect to a sign-in page of use.
    ///
    /// Such a request is a `GET` or `HEAD` without `Authorization` and without `Upgrade`. Browsers
    /// say the rest in `Sec-Fetch-Mode: navigate` and `Sec-Fetch-Dest: document`; where neither
    /// header is there (an old browser, or plain HTTP), `Accept` must list `text/html`.
    #[must_use]
    pub fn is_navigation(&self) -> bool {
        is_navigation(self.request)
    }

    /// The answer that the layer gives on its own, to change or to send as it is.
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

fn is_navigation(request: &Parts) -> bool {
    let headers = &request.headers;
    if !matches!(request.method, Method::GET | Method::HEAD)
        || headers.contains_key(AUTHORIZATION)
        || headers.contains_key(UPGRADE)
    {
        return false;
    }
    let (mode, destination) = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"));
    if mode.is_some() || destination.is_some() {
        return mode.is_some_and(|mode| mode == "navigate")
            && destination.is_none_or(|destination| destination == "document");
    }
    let accepted =
        headers.get_all(ACCEPT).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let media_type = |range: &[u8]| {
        range.split(|b| *b == b';').next().map(<[u8]>::trim_ascii).map(<[u8]>::to_ascii_lowercase)
    };
    accepted.filter_map(media_type).any(|name| name == b"text/html")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_a_browser_that_wants_a_page_navigates() {
        let rows: [(&str, &str, &[(&str, &str)], bool); 13] = [
            (
                "page",
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                true,
            ),
            ("head", "HEAD", &[("sec-fetch-mode", "navigate")], true),
            (
                "frame",
                "GET",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
            ),
            (
                "form",
                "POST",
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                false,
            ),
            (
                "fetch that accepts pages",
                "GET",
                &[("sec-fetch-mode", "cors"), ("accept", "text/html")],
                false,
            ),
            (
                "picture",
                "GET",
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                false,
            ),
            ("destination alone", "GET", &[("sec-fetch-dest", "document")], false),
            (
                "old browser",
                "GET",
                &[("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")],
                true,
            ),
            ("with parameters, in capitals", "GET", &[("accept", "*/*, Text/HTML ;q=1")], true),
            ("curl", "GET", &[("accept", "*/*")], false),
            ("no header at all", "GET", &[], false),
            (
                "with a token",
                "GET",
                &[("authorization", "Bearer x"), ("accept", "text/html")],
                false,
            ),
            ("handshake", "GET", &[("upgrade", "websocket"), ("accept", "text/html")], false),
        ];
        for (name, method, headers, expected) in rows {
            let mut request = Request::builder().method(method).uri("/");
            for (header, value) in headers {
                request = request.header(*header, *value);
            }
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            assert_eq!(is_navigation(&parts), expected, "{name}");
        }
    }
}
