//! Bound login: a token signs in only in the browser that it was made for.
//!
//! The server hands the browser a challenge: a secret in an `HttpOnly` cookie, and a
//! hash of it, which the wallet signs as the token's attachment. Signing in takes the
//! token *and* the cookie. Someone who intercepts the token has only one of the two.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::challenge::{Challenge, ChallengeKey, Secret};
use super::credentials::{CookieValue, cookie_value};
use super::{BindingFault, Rejection, SessionCookie};
use crate::did::{SignedClaim, Timestamp, Verifier};
use crate::session::{StoreError, TokenMark};

/// How long a challenge is good by default.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

/// What Magic's SDK signs as attachment where the application names none.
const NO_ATTACHMENT: &str = "none";

/// Binds sign-ins to the browser that asked for them. For
/// [`DidAuth::with_bound_login`](super::DidAuth::with_bound_login).
///
/// ```
/// use tower_didt::{BoundLogin, DidAuth, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
///     .with_bound_login(BoundLogin::required());
/// let challenge = auth.challenge()?;
/// println!("sign this as attachment: {}", challenge.value());
/// # Ok::<(), tower_didt::StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BoundLogin {
    mode: Mode,
    lifetime: Duration,
    key: ChallengeKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Off,
    Optional,
    Required,
}

impl BoundLogin {
    /// Every sign-in must be bound.
    #[must_use]
    pub fn required() -> Self {
        Self::new(Mode::Required)
    }

    /// A token that has an attachment must be bound by it; one that has none, or `none`,
    /// which is what Magic's SDK signs by default, signs in as it
    /// always did. For the time in which some clients do not bind their tokens yet.
    #[must_use]
    pub fn optional() -> Self {
        Self::new(Mode::Optional)
    }

    /// How long a challenge is good, whole seconds. Defaults to 10 minutes.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Duration::from_secs(lifetime.as_secs());
        self
    }

    /// The secret key under which challenges are issued: 32 random bytes, the same in all
    /// processes that serve one application. Defaults to a key of this process's own,
    /// so that a restart ends the challenges that are under way.
    #[must_use]
    pub fn with_key(mut self, key: [u8; 32]) -> Self {
        self.key = ChallengeKey::new(key);
        self
    }

    pub(super) fn off() -> Self {
        Self::new(Mode::Off)
    }

    fn new(mode: Mode) -> Self {
        Self { mode, lifetime: DEFAULT_LIFETIME, key: ChallengeKey::default() }
    }

    pub(super) fn is_off(&self) -> bool {
        self.mode == Mode::Off
    }

    pub(super) fn challenge(
        &self,
        cookie: &SessionCookie,
        now: Timestamp,
    ) -> Result<Challenge, StoreError> {
        self.key.issue(cookie, self.lifetime, now)
    }

    /// The challenge that a request brings back.
    pub(super) fn presented(
        &self,
        headers: &HeaderMap,
        cookie: &SessionCookie,
        now: Timestamp,
    ) -> Result<Presented, BindingFault> {
        if self.is_off() {
            return Err(BindingFault::NoChallenge);
        }
        let values = match cookie_value(headers, cookie.for_challenges().name()) {
            CookieValue::Absent => return Err(BindingFault::NoChallenge),
            CookieValue::One(text) => return self.open(text, now),
            CookieValue::Several(values) => values,
        };
        // As with the session's cookie: the one that is good counts, if exactly one is.
        let mut opened = values.texts().filter_map(|text| self.open(text, now).ok());
        match (opened.next(), opened.next()) {
            (Some(presented), None) => Ok(presented),
            _ => Err(BindingFault::UnknownChallenge),
        }
    }

    /// Opens a value of the challenge's cookie.
    fn open(&self, text: &str, now: Timestamp) -> Result<Presented, BindingFault> {
        let secret = self.key.open(text).ok_or(BindingFault::UnknownChallenge)?;
        let issued_at = secret.issued_at();
        // The other machine's clock may be ahead, but not by a lifetime.
        if now.since(issued_at).max(issued_at.since(now)) > self.lifetime {
            return Err(BindingFault::ChallengeExpired);
        }
        Ok(Presented { usable_until: issued_at.plus(self.lifetime), secret: Arc::new(secret) })
    }

    /// Checks that the token was made for the challenge: what is to be used up by
    /// signing in, or `None` for a token that is not bound and need not be.
    pub(super) fn check(
        &self,
        verifier: &Verifier,
        claim: &SignedClaim,
        presented: Result<Presented, BindingFault>,
    ) -> Result<Option<TokenMark>, Rejection> {
        if self.is_off() {
            return Ok(None);
        }
        let signs = |attachment: &str| verifier.check_attachment(claim, attachment).is_ok();
        let unbound = match presented {
            Ok(challenge) if signs(&challenge.secret.value()) => {
                return Ok(Some(challenge.mark()));
            }
            Ok(_) => BindingFault::OtherAttachment,
            Err(unbound) => unbound,
        };
        let has_none = || claim.claim().add().is_none() || signs(NO_ATTACHMENT);
        if self.mode == Mode::Optional && has_none() {
            return Ok(None);
        }
        Err(Rejection::UnboundLogin(unbound))
    }
}

/// A challenge that came back in time.
#[derive(Clone)]
pub(super) struct Presented {
    secret: Arc<Secret>,
    usable_until: Timestamp,
}

impl Presented {
    /// Stores treat a used challenge like a used token, and remember it until it expires. It is
    /// good for one sign-in of anyone, so its mark belongs to no particular issuer, but is derived
    /// from the challenge.
    fn mark(&self) -> TokenMark {
        TokenMark::of_anybody(self.secret.mark(), self.secret.issued_at(), self.usable_until)
    }
}
