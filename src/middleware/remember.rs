//! "Remember me": sessions that outlive the browser's, where that is chosen at sign-in.

use std::sync::atomic::{AtomicI8, Ordering};

use http::request::Parts;
use http::{Extensions, HeaderMap};

use super::cookie::MAX_MAX_AGE;
use crate::session::Lifetimes;

/// The header of a sign-in request that asks for it, with the value `yes`.
const HEADER: &str = "didt-remember";

/// Sessions of two kinds, of which one is chosen at sign-in. For
/// [`DidAuth::with_remember_me`](super::DidAuth::with_remember_me).
///
/// - By default a session lives as long as [`with_lifetimes`](super::DidAuth::with_lifetimes) says,
///   and its cookie has no `Max-Age`: it is gone when the browser is closed. (Browsers that restore
///   their tabs keep it.)
/// - A session that is *remembered* lives as long as this says, and so does its cookie.
///
/// What is chosen, in this order:
///
/// 1. the [hook](super::DidAuth::with_on_sign_in), by [`Login::remember`](super::Login::remember);
/// 2. a layer further out, by a [`Remember`] in the request's extensions;
/// 3. with [`chosen_by_people`](Self::chosen_by_people), the person: by the header
///    `Didt-Remember: yes` of the request that signs in, or the box on the sign-in page;
/// 4. not to be remembered.
///
/// ```
/// use std::time::Duration;
/// use tower_didt::{DidAuth, Lifetimes, RememberMe, Verifier};
///
/// const HOUR: Duration = Duration::from_secs(3600);
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
///     .with_lifetimes(Lifetimes::new(12 * HOUR).with_idle_timeout(HOUR))
///     .with_remember_me(RememberMe::new(Lifetimes::new(30 * 24 * HOUR)).chosen_by_people());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RememberMe {
    lifetimes: Lifetimes,
    by_people: bool,
}

impl RememberMe {
    /// Remembered sessions live this long: 400 days at most. The application chooses which.
    #[must_use]
    pub fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes: lifetimes.at_most(MAX_MAX_AGE), by_people: false }
    }

    /// Lets people choose where the application does not. The sign-in page then has a box for it,
    /// which nobody has ticked yet.
    ///
    /// Whoever signs in chooses how long their own session lives, up to the lifetimes here.
    #[must_use]
    pub const fn chosen_by_people(mut self) -> Self {
        self.by_people = true;
        self
    }

    /// How long remembered sessions live.
    #[must_use]
    pub const fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Whether people choose.
    #[must_use]
    pub const fn is_chosen_by_people(&self) -> bool {
        self.by_people
    }

    /// What a request that signs in asks for.
    pub(super) fn is_asked_by(&self, request: &Parts) -> bool {
        match said_by_application(&request.extensions) {
            Some(Remember(remember)) => remember,
            None => self.by_people && said_by_person(&request.headers),
        }
    }
}

/// Says in a request's extensions, to the layer further in, whether a session that begins with this
/// request is remembered. See [`RememberMe`].
///
/// ```
/// use http::Request;
/// use tower_didt::Remember;
///
/// /// In a layer around that of the `DidAuth`: people at the counter share their devices.
/// fn at_the_counter<B>(request: &mut Request<B>) {
///     request.extensions_mut().insert(Remember(false));
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remember(
    /// Whether the session outlives the browser's.
    pub bool,
);

fn said_by_application(extensions: &Extensions) -> Option<Remember> {
    extensions.get().copied()
}

/// One header with one value: where there are two, nobody knows what was meant.
fn said_by_person(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(HEADER).iter();
    matches!((values.next(), values.next()), (Some(value), None) if value == "yes")
}

/// What a hook chose: above zero is a yes, below it a no.
#[derive(Debug, Default)]
pub(super) struct HooksChoice(AtomicI8);

impl HooksChoice {
    pub(super) fn set(&self, remember: bool) {
        self.0.store(if remember { 1 } else { -1 }, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Acquire) {
            0 => None,
            choice => Some(choice > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn request(headers: &[&'static str], extension: Option<bool>) -> Parts {
        let mut request = http::Request::builder();
        for value in headers {
            request = request.header("Didt-Remember", *value);
        }
        if let Some(remember) = extension {
            request = request.extension(Remember(remember));
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn the_application_counts_before_the_person_and_one_plain_yes_is_a_yes() {
        let by_application = RememberMe::new(Lifetimes::default());
        let by_people = by_application.chosen_by_people();
        let rows: [(&[_], _, _, _); 9] = [
            (&[], None, false, false),
            (&["yes"], None, false, true),
            (&["no"], None, false, false),
            (&["Yes"], None, false, false),
            (&["yes "], None, false, false),
            (&["yes", "yes"], None, false, false),
            (&["yes"], Some(false), false, false),
            (&[], Some(true), true, true),
            (&["no"], Some(true), true, true),
        ];
        for (headers, extension, application, people) in rows {
            let request = request(headers, extension);
            assert_eq!(by_application.is_asked_by(&request), application, "{headers:?}");
            assert_eq!(by_people.is_asked_by(&request), people, "{headers:?} {extension:?}");
        }
    }

    #[test]
    fn nobody_is_remembered_for_more_than_400_days() {
        let days = |days: u64| Duration::from_secs(days * 24 * 3600);
        for (asked, kept) in [(30, 30), (400, 400), (401, 400), (100_000, 400)] {
            let lifetimes = Lifetimes::new(days(asked)).with_idle_timeout(days(7));
            let remembered = RememberMe::new(lifetimes).lifetimes();
            assert_eq!(remembered.absolute(), days(kept));
            assert_eq!(remembered.idle_timeout(), Some(days(7)));
        }
    }
}
