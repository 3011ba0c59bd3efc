//! A session without a sign-in, to call handlers as functions.
#![expect(clippy::expect_used, reason = "a test helper: what fails, fails the test")]

use serde::Serialize;

use super::FixedClock;
use crate::did::{ClaimDigest, Clock, Issuer, SystemClock, Timestamp, Verifier};
#[cfg(feature = "magic")]
use crate::magic::MagicUser;
use crate::middleware::{DidAuth, RememberMe, Session};
use crate::session::{Lifetimes, SessionData, TokenMark};

/// Makes a [`Session`] for unit tests of handlers: without a router, a token or a
/// [`DidAuth`](crate::DidAuth), and without waiting.
///
/// It lives in a store in memory of its own, so that it can be changed, listed and ended as any
/// other. For a session in your own store, made by your own hook, there is
/// [`session`](super::session).
///
/// ```
/// # #[cfg(feature = "axum")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use tower_didt::testing::{TestSession, Wallet};
/// use tower_didt::{Data, Session};
///
/// #[derive(serde::Deserialize, serde::Serialize)]
/// struct User {
///     name: String,
/// }
///
/// async fn hello(session: Session, Data(user): Data<User>) -> String {
///     format!("hello, {} from {}", user.name, session.address())
/// }
///
/// let ada = User { name: "Ada".to_owned() };
/// let session = TestSession::new(Wallet::from_seed("ada").issuer()).data(&ada).make();
/// let data = Data(session.require_data().unwrap());
/// assert!(hello(session, data).await.starts_with("hello, Ada from 0x"));
/// # }
/// # #[cfg(not(feature = "axum"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
pub struct TestSession {
    issuer: Issuer,
    data: SessionData,
    began_at: Option<Timestamp>,
    remembered: bool,
    #[cfg(feature = "magic")]
    user: Option<MagicUser>,
}

impl TestSession {
    /// A session of this issuer that begins now, with nothing attached.
    #[must_use]
    pub const fn new(issuer: Issuer) -> Self {
        Self {
            issuer,
            data: SessionData::NONE,
            began_at: None,
            remembered: false,
            #[cfg(feature = "magic")]
            user: None,
        }
    }

    /// Attaches what the [hook](DidAuth::with_on_sign_in) would attach.
    ///
    /// # Panics
    ///
    /// If the value has no JSON form.
    #[must_use]
    pub fn data(self, data: &impl Serialize) -> Self {
        Self { data: SessionData::new(data).expect("a value with a JSON form"), ..self }
    }

    /// Lets the session begin at this time, which is also what its clock says. Defaults to now.
    #[must_use]
    pub fn began_at(self, time: Timestamp) -> Self {
        Self { began_at: Some(time), ..self }
    }

    /// Makes it one that is [remembered](Session::is_remembered).
    #[must_use]
    pub fn remembered(self) -> Self {
        Self { remembered: true, ..self }
    }

    /// Says who that is by Magic's word: what [`Session::magic_user`] returns. Make one of a
    /// [`TestUser`](super::TestUser).
    ///
    /// ```
    /// use tower_didt::testing::{TestSession, TestUser, Wallet};
    /// use tower_didt::{Guard, MagicUser, Session};
    ///
    /// async fn mail(session: Session, user: MagicUser) -> String {
    ///     format!("{} is {}", session.issuer(), user.email().unwrap())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let ada = Wallet::from_seed("ada").issuer();
    /// let user = TestUser::new(ada).email("ada@example.com").magic_user();
    /// let session = TestSession::new(ada).magic_user(user.clone()).make();
    /// let staff = Guard::magic_user(|user| user.email().is_some());
    /// assert!(staff.permits(&session).unwrap());
    /// assert!(mail(session, user).await.ends_with("ada@example.com"));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If it is the profile of another issuer.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn magic_user(self, user: MagicUser) -> Self {
        assert_eq!(user.issuer(), self.issuer, "the profile is another issuer's");
        Self { user: Some(user), ..self }
    }

    /// The session.
    ///
    /// # Panics
    ///
    /// If the operating system has no random numbers.
    #[must_use]
    pub fn make(self) -> Session {
        let began_at = self.began_at.unwrap_or_else(|| SystemClock.now());
        let auth = DidAuth::new(Verifier::new("did:magic:test"))
            .with_clock(FixedClock::at(began_at))
            .with_remember_me(RememberMe::new(Lifetimes::default()));
        #[cfg(feature = "magic")]
        let (auth, data) = self.introduce(auth, began_at);
        #[cfg(not(feature = "magic"))]
        let data = self.data;
        let token = TokenMark {
            digest: ClaimDigest::from_bytes([0; 32]),
            issuer: self.issuer,
            issued_at: began_at,
            usable_until: began_at,
        };
        auth.made_session(token, data, self.remembered).expect("a store in memory makes it")
    }

    /// Attaches the profile, from a Magic that is asked nothing.
    #[cfg(feature = "magic")]
    fn introduce(&self, auth: DidAuth, now: Timestamp) -> (DidAuth, SessionData) {
        let Some(user) = &self.user else { return (auth, self.data.clone()) };
        // As old as the session: it is not due to be renewed.
        let user = user.as_of(now);
        let stub = super::Magic::new("sk_test_unasked", "did:magic:test");
        let magic = crate::magic::Magic::over(stub.api().expect("a key of the right form"));
        let json = user.to_session().expect("a profile has a JSON form");
        (auth.with_magic(magic), self.data.with_profile(&json, user))
    }
}
