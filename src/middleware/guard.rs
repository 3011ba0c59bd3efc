//! Rules about who may do something, once it is known who is calling.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Rejection, Session};

type Rule = dyn Fn(&Session) -> Result<bool, Rejection> + Send + Sync;

/// A role in the application: something that a session's data says of its user.
///
/// A role is a [`Guard`] wherever one is asked for:
///
/// ```
/// use tower_didt::{DidAuth, Role, Verifier};
///
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct User {
///     name: String,
///     is_admin: bool,
/// }
///
/// enum Rights {
///     Admin,
/// }
///
/// impl Role for Rights {
///     type User = User;
///
///     fn is_held_by(&self, user: &User) -> bool {
///         match self {
///             Self::Admin => user.is_admin,
///         }
///     }
/// }
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
/// let for_admins = auth.layer().require(Rights::Admin);
/// ```
pub trait Role: Send + Sync + 'static {
    /// The form of the session's data.
    type User: DeserializeOwned;

    /// Whether this user has the role.
    fn is_held_by(&self, user: &Self::User) -> bool;
}

/// A rule about who may do something: a predicate over the session, over what is attached to it, or (with
/// the feature `magic`) over the profile.
///
/// Guards are combined by `&`, `|` and `!`. Around a route they answer:
///
/// - Nobody is signed in: 401, or the way to the sign-in page where the layer has one.
/// - Somebody is, and the rule says no: 403 ([`Rejection::NotPermitted`]), never a redirect.
/// - The rule cannot be decided: 500 if the data has another form than it asks for, 503 if Magic has
///   not said yet who that is. `a | b` passes where either of them says yes by itself, and `!a`
///   never where `a` could not be decided.
/// - No layer of a [`DidAuth`](super::DidAuth) has seen the request: 500 ([`Rejection::NoLayer`]).
///
/// Answers are written as every other answer of the layer, so also by the
/// [rejection handler](super::DidAuth::with_rejection_handler).
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use tower_didt::{DidAuth, Guard, Role, Session, Verifier};
///
/// #[derive(Clone, Copy, PartialEq, serde::Deserialize, serde::Serialize)]
/// enum Rank {
///     Member,
///     Editor,
///     Admin,
/// }
///
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct User {
///     rank: Rank,
///     suspended: bool,
/// }
///
/// impl Role for Rank {
///     type User = User;
///
///     fn is_held_by(&self, user: &User) -> bool {
///         user.rank == *self
///     }
/// }
///
/// let auth = DidAuth::new(Verifier::new("did:magic:my-app"));
/// let active = Guard::data(|user: &User| !user.suspended);
/// let editors = Guard::any([Rank::Editor, Rank::Admin]);
/// let app: Router = Router::new()
///     .route("/admin", get(async || "admins only").route_layer(Guard::from(Rank::Admin).layer()))
///     .route("/edit", get(async || "editors").route_layer((editors & active).layer()))
///     .route("/me", get(async |session: Session| session.issuer().to_string()))
///     .layer(auth.layer());
/// # }
/// ```
#[derive(Clone)]
pub struct Guard(Arc<Rule>);

impl Guard {
    /// Passes sessions of which this is true, such as those of certain issuers or of a certain age.
    #[must_use]
    pub fn session(permits: impl Fn(&Session) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |session| Ok(permits(session))))
    }

    /// Passes sessions of whose data this is true. Where nothing is attached, that is an error,
    /// unless `T` is an `Option`.
    #[must_use]
    pub fn data<T: DeserializeOwned>(permits: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        Self::session_and_data(move |_, data: &T| permits(data))
    }

    /// Passes sessions of which, together with their data, this is true.
    #[must_use]
    pub fn session_and_data<T: DeserializeOwned>(
        permits: impl Fn(&Session, &T) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |session| Ok(permits(session, &session.require_data()?))))
    }

    /// Passes people of whose profile at Magic this is true. Needs a
    /// [`DidAuth::with_magic`](super::DidAuth::with_magic): without it, everybody gets a 500.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn magic_user(
        permits: impl Fn(&crate::magic::MagicUser) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(move |session| match session.magic_user() {
            Some(user) => Ok(permits(&user)),
            // Magic knows no such user: there is no profile that anything could be true of.
            None if session.is_unknown_to_magic() => Ok(false),
            None if session.is_looked_up() => Err(Rejection::NoProfile),
            None => Err(Rejection::NoLayer),
        }))
    }

    /// Passes whoever one of these passes; nobody if there are none.
    #[must_use]
    pub fn any(guards: impl IntoIterator<Item = impl Into<Self>>) -> Self {
        let none = Self::session(|_| false);
        guards.into_iter().map(Into::into).fold(none, |any, guard| any | guard)
    }

    /// Whether the rule passes a session: for decisions within a handler.
    ///
    /// # Errors
    ///
    /// Why it could not be decided. That is never a yes.
    pub fn permits(&self, session: &Session) -> Result<bool, Rejection> {
        (self.0)(session)
    }

    /// The answer to a session that the rule does not pass.
    pub(crate) fn check(&self, session: &Session) -> Result<(), Rejection> {
        if self.permits(session)? { Ok(()) } else { Err(Rejection::NotPermitted) }
    }
}

impl<R: Role> From<R> for Guard {
    fn from(role: R) -> Self {
        Self::data(move |user| role.is_held_by(user))
    }
}

impl BitAnd for Guard {
    type Output = Self;

    /// Passes whoever both pass.
    fn bitand(self, other: Self) -> Self {
        Self(Arc::new(move |session| match (self.permits(session), other.permits(session)) {
            (Ok(false), _) | (_, Ok(false)) => Ok(false),
            (Err(undecided), _) | (_, Err(undecided)) => Err(undecided),
            (Ok(true), Ok(true)) => Ok(true),
        }))
    }
}

impl BitOr for Guard {
    type Output = Self;

    /// Passes whoever either passes.
    fn bitor(self, other: Self) -> Self {
        Self(Arc::new(move |session| match (self.permits(session), other.permits(session)) {
            (Ok(true), _) | (_, Ok(true)) => Ok(true),
            (Err(undecided), _) | (_, Err(undecided)) => Err(undecided),
            (Ok(false), Ok(false)) => Ok(false),
        }))
    }
}

impl Not for Guard {
    type Output = Self;

    /// Passes whom the other does not pass. Where the other cannot be decided, neither can this.
    fn not(self) -> Self {
        Self(Arc::new(move |session| self.permits(session).map(|permits| !permits)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guard")
    }
}
