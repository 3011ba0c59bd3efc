//! A layer's own answers, in place of its gate's rejections.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::{Answer, Rejection};

type Redirect = dyn Fn(&Rejection, &Parts, Scheme) -> Option<Answer> + Send + Sync;

/// How the visitor came, as far as the layer knows: the session cookie travels over HTTPS, or
/// the application chose otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Answers some of the requests that do not pass.
#[derive(Clone)]
pub(crate) struct Instead(Arc<Redirect>);

impl Instead {
    #[cfg(feature = "sign-in-page")]
    pub(crate) fn new(
        answer: impl Fn(&Rejection, &Parts, Scheme) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(answer))
    }

    pub(super) fn answer(
        &self,
        rejection: &Rejection,
        head: &Parts,
        scheme: Scheme,
    ) -> Option<Answer> {
        (self.0)(rejection, head, scheme)
    }
}

impl fmt::Debug for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Instead")
    }
}
