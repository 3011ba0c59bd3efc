//! What can be wrong with the stub, to order.

use std::time::Duration;

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{Response, StatusCode};

use super::Generation;
use super::answer::failure;

/// How long a body is that is too long for the client, in bytes.
const HUGE: usize = 1024 * 1024;

/// A fault of the stub.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The right answer, so much later.
    Delay(Duration),
    /// No answer at all.
    Hang,
    /// The connection breaks without an answer.
    Reset,
    /// This status, with the body that Magic's failures have.
    Status(StatusCode),
    /// 429, with the seconds that `Retry-After` names.
    RateLimited(Option<u64>),
    /// This status, with a page of HTML: what a proxy in between answers.
    Html(StatusCode),
    /// 200 with this body.
    Body(String),
    /// 200 with a body of a mebibyte.
    Huge,
    /// 302 to this URL.
    Redirect(String),
}

impl Fault {
    pub(super) fn to_response(&self, generation: Generation) -> Response<String> {
        let page = "<!DOCTYPE html><title>Bad Gateway</title>";
        let (status, body) = match self {
            Self::Status(status) => return failure(generation, *status, "INTERNAL_SERVER_ERROR"),
            Self::RateLimited(wait) => {
                let mut answer = failure(generation, StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED");
                if let Some(seconds) = wait {
                    answer.headers_mut().insert(RETRY_AFTER, (*seconds).into());
                }
                return answer;
            }
            Self::Html(status) => (*status, page.to_owned()),
            Self::Body(body) => (StatusCode::OK, body.clone()),
            Self::Huge => (StatusCode::OK, " ".repeat(HUGE)),
            Self::Redirect(_) => (StatusCode::FOUND, String::new()),
            Self::Delay(_) | Self::Hang | Self::Reset => {
                (StatusCode::GATEWAY_TIMEOUT, String::new())
            }
        };
        let mut answer = Response::new(body);
        *answer.status_mut() = status;
        if let Self::Redirect(to) = self
            && let Ok(to) = to.parse()
        {
            answer.headers_mut().insert(LOCATION, to);
        }
        if let Self::Html(_) = self {
            answer.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("text/html"));
        }
        answer
    }
}
