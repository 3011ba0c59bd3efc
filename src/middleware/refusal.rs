//! A hook's refusal to let someone in.

use std::sync::{Mutex, PoisonError};

use http::StatusCode;

use super::Answer;

/// The application refuses someone, or cannot decide.
///
/// Besides the two below, anything that becomes an [`Answer`] becomes a refusal too, also by `?`:
/// a `Response` of the application's own, and with the feature `axum` anything that is
/// `IntoResponse`.
///
/// ```
/// use http::{Response, StatusCode};
/// use tower_didt::Refusal;
///
/// let unpaid = Response::builder()
///     .status(StatusCode::PAYMENT_REQUIRED)
///     .body("your subscription has ended".to_owned())?;
/// let refusal = Refusal::response(unpaid);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    /// Taken out by the response to the request; the rejection stays behind for operators, and
    /// bodies cannot be copied. `None` from the start: the layer's own words.
    answer: Mutex<Option<Answer>>,
}

impl Refusal {
    /// Not this user: 403.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::of(StatusCode::FORBIDDEN)
    }

    /// The application cannot decide right now, for example because its database is down: 503.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::of(StatusCode::SERVICE_UNAVAILABLE)
    }

    /// A response of the application's own.
    #[must_use]
    pub fn response(response: impl Into<Answer>) -> Self {
        let answer = response.into();
        Self { status: answer.status(), answer: Mutex::new(Some(answer)) }
    }

    /// The status of the response.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the application could not decide, rather than refused: the status is 503.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// The application's own response, the first time.
    pub(super) fn take_answer(&self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    const fn of(status: StatusCode) -> Self {
        Self { status, answer: Mutex::new(None) }
    }
}

#[cfg(not(feature = "axum"))]
impl<B> From<http::Response<B>> for Refusal
where
    Answer: From<http::Response<B>>,
{
    fn from(response: http::Response<B>) -> Self {
        Self::response(response)
    }
}

#[cfg(feature = "axum")]
impl<T: axum_core::response::IntoResponse> From<T> for Refusal {
    fn from(response: T) -> Self {
        Self::response(response)
    }
}
