//! The configuration: one value per application, shared by all of its layers.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

#[cfg(feature = "testing")]
use super::Session;
use super::bound_login::BoundLogin;
use super::challenge::Challenge;
use super::cross_origin::TrustedOrigins;
use super::gate::Gate;
use super::issuer_keys::{self, IssuerKeys};
use super::login::LoginHook;
use super::longest_age::LongestAge;
use super::people::People;
use super::proof_cache::{self, ProofCache};
use super::responder::{DEFAULT_REALM, DEFAULT_RETRY_AFTER, Responder};
use super::token_hook::{self, TokenHook};
use super::turns::Turns;
use super::{
    AcceptedToken, Answer, ConfigError, DidLayer, Login, Refusal, Rejected, RememberMe, Replay,
    SessionCookie, Sessions, observe,
};
#[cfg(feature = "testing")]
use crate::did::Timestamp;
use crate::did::{Clock, Issuer, SystemClock, Verifier};
#[cfg(feature = "testing")]
use crate::session::SessionData;
use crate::session::{
    IssuerCursor, IssuerPage, Lifetimes, MemoryStore, PageRequest, SessionHandle, SessionLimit,
    SessionPage, SessionStore, StoreError,
};

/// How old a token may be that a session is made of: 900 seconds, the lifespan
/// that Magic gives to its tokens.
const DEFAULT_MAX_TOKEN_AGE: Duration = Duration::from_secs(900);

/// Guards services with DID tokens and the sessions made of them.
///
/// Make one per application and clone it: clones, and all layers made of them,
/// share one store and one cache.
///
/// ```
/// use tower_didt::{DidAuth, Verifier};
///
/// let auth = DidAuth::new(Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba"));
/// let guarded = auth.layer();
/// let open_to_all = auth.layer().optional();
/// ```
///
/// With more options:
///
/// ```
/// use std::time::Duration;
/// use tower_didt::{DidAuth, Lifetimes, Login, Refusal, SessionCookie, Verifier};
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// let lifetimes = Lifetimes::new(Duration::from_secs(24 * 3600))
///     .with_idle_timeout(Duration::from_secs(1800));
/// let auth = DidAuth::new(Verifier::new(["did:magic:web", "did:magic:mobile"]))
///     .with_cookie(SessionCookie::named("shop")?)
///     .with_lifetimes(lifetimes)
///     .with_on_sign_in(|login: Login| async move {
///         if login.issuer().to_string().ends_with("00") {
///             return Err(Refusal::forbidden());
///         }
///         Ok(User { name: "looked up by issuer".to_owned() })
///     });
/// # Ok::<(), tower_didt::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DidAuth(Arc<Gate>);

impl DidAuth {
    /// Sessions in this process's memory, all else as the methods below say.
    ///
    /// Tokens older than 900 seconds are refused, whatever their own `ext` says; see
    /// [`with_max_token_age`](Self::with_max_token_age).
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        observe::configured(verifier.audiences());
        let max_age = verifier.max_age().unwrap_or(DEFAULT_MAX_TOKEN_AGE);
        let gate = Gate {
            verifier: verifier.with_max_age(max_age),
            longest_age: LongestAge::new(max_age),
            proofs: ProofCache::new(proof_cache::DEFAULT_MAX_BYTES),
            keys: IssuerKeys::new(issuer_keys::DEFAULT_MAX_BYTES),
            turns: Turns::new(),
            store: observe::store(Arc::new(MemoryStore::new())),
            clock: Arc::new(SystemClock),
            lifetimes: Lifetimes::default(),
            remember_me: None,
            session_limit: SessionLimit::default(),
            replay: Replay::default(),
            foreign_bearers: false,
            cookie: SessionCookie::default(),
            origins: TrustedOrigins::default(),
            bound_login: BoundLogin::off(),
            people: People::default(),
            on_login: None,
            on_sign_in: None,
            on_token: None,
            token_answer_time: token_hook::DEFAULT_ANSWER_TIME,
            responder: Responder {
                realm: DEFAULT_REALM.into(),
                retry_after: DEFAULT_RETRY_AFTER,
                grpc: false,
                debug_reasons: false,
                handler: None,
            },
        };
        Self(Arc::new(gate))
    }

    /// Where sessions are kept. Defaults to [`MemoryStore`]; [`NoSessions`](crate::NoSessions)
    /// keeps none and sets no cookies. An `Arc<dyn SessionStore>` or `Box<dyn SessionStore>` is a
    /// store too, for one that is shared, or chosen at run time.
    ///
    /// All `DidAuth`s that share a store must agree on the largest
    /// [`max_token_age`](Self::with_max_token_age) and on the verifier's
    /// [`expiry_leeway`](Verifier::with_expiry_leeway), which decide how long a used token is
    /// remembered: otherwise a token can make one session with each. A session that one of them
    /// made opens all of them, whatever their audiences and hooks.
    #[must_use]
    pub fn with_store(self, store: impl SessionStore) -> Self {
        self.change(|gate| gate.store = observe::store(Arc::new(store)))
    }

    /// How old (`now - iat`) a token may be. Defaults to the verifier's
    /// [`max_age`](Verifier::with_max_age), else to 900 seconds.
    ///
    /// A token's own expiry is set by its holder and may be any time in the future, so it
    /// is never the only bound: used tokens are remembered for this long, and
    /// older ones are refused. Raise it for machine clients that sign tokens of a long
    /// life for themselves and send one with every request.
    ///
    /// Clones may differ in this: all of them remember for as long as the longest asks.
    /// Set it before they serve.
    #[must_use]
    pub fn with_max_token_age(self, max_age: Duration) -> Self {
        self.change(|gate| {
            gate.longest_age.allow(max_age);
            gate.verifier = gate.verifier.clone().with_max_age(max_age);
        })
    }

    /// How long sessions live. Defaults to 7 days and no idle timeout.
    #[must_use]
    pub fn with_lifetimes(self, lifetimes: Lifetimes) -> Self {
        self.change(|gate| gate.lifetimes = lifetimes)
    }

    /// Has it chosen at sign-in whether a session outlives the browser's. Defaults to no choice:
    /// every session lives as [`with_lifetimes`](Self::with_lifetimes) says, and so does its cookie.
    ///
    /// Settings that change apply to sessions that there are: where remembered sessions are to live
    /// for less time, those that are older end. **A shorter
    /// [`with_lifetimes`](Self::with_lifetimes) ends no remembered session**: it lives on for as long
    /// as is said here. Without `with_remember_me`, remembered sessions have the lifetimes of all
    /// others.
    #[must_use]
    pub fn with_remember_me(self, remember_me: RememberMe) -> Self {
        self.change(|gate| gate.remember_me = Some(remember_me))
    }

    /// Takes a [`with_remember_me`](Self::with_remember_me) back.
    #[must_use]
    pub fn without_remember_me(self) -> Self {
        self.change(|gate| gate.remember_me = None)
    }

    /// How many sessions an issuer may have at a time; a new one ends the oldest.
    ///
    /// Defaults to
    /// [`DEFAULT_MAX_SESSIONS_PER_ISSUER`](crate::store::DEFAULT_MAX_SESSIONS_PER_ISSUER) wherever
    /// the store can count sessions. Sealed sessions, which live in their cookies, cannot be
    /// counted: they have no limit by default, and with one that was asked for here nobody signs in
    /// ([`StoreError::Unsupported`]).
    #[must_use]
    pub fn with_max_sessions_per_issuer(self, max: NonZeroUsize) -> Self {
        self.change(|gate| gate.session_limit = SessionLimit::AtMost(max))
    }

    /// Lets an issuer have any number of sessions at a time.
    ///
    /// Anybody can make a key and sign in with it without end: the store then keeps a session for
    /// every sign-in until it expires. Only for applications that limit sign-ins themselves.
    #[must_use]
    pub fn with_unlimited_sessions_per_issuer(self) -> Self {
        self.change(|gate| gate.session_limit = SessionLimit::Unlimited)
    }

    /// What becomes of a token that was used before. Defaults to [`Replay::Authenticate`]. The
    /// other modes take a store that remembers: with [`NoSessions`](crate::NoSessions) every
    /// token is rejected with 500.
    #[must_use]
    pub fn with_replay(self, replay: Replay) -> Self {
        self.change(|gate| gate.replay = replay)
    }

    /// Leaves bearer tokens that do not have the form of a DID token to the application: the
    /// request is decided by its cookie alone, and the handler sees `Authorization` as it came.
    /// Defaults to no, so that whatever is sent as a bearer token is judged.
    ///
    /// For an application that accepts its own API keys or access tokens on the same routes. A
    /// token that can be decoded and is not valid is rejected all the same, and so are two
    /// `Authorization` headers. Use an [optional](DidLayer::optional) layer where such a token has
    /// to do without a cookie: then only the application judges it.
    ///
    /// ```
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_foreign_bearers();
    /// ```
    #[must_use]
    pub fn with_foreign_bearers(self) -> Self {
        self.change(|gate| gate.foreign_bearers = true)
    }

    /// The session cookie. Defaults to `__Host-didt; Path=/; Secure; HttpOnly; SameSite=Lax`.
    #[must_use]
    pub fn with_cookie(self, cookie: SessionCookie) -> Self {
        self.change(|gate| gate.cookie = cookie)
    }

    /// Origins, in addition to the server's own, whose pages may use the cookie for unsafe methods
    /// and WebSockets, and may sign visitors in. Defaults to none. Configure CORS to match.
    ///
    /// Each is an [`Origin`](super::Origin) of any scheme, or a pattern for all hosts below a
    /// domain ([`TrustedOrigin`](super::TrustedOrigin)):
    ///
    /// ```
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_trusted_origins([
    ///     "https://app.example.com",
    ///     "https://*.preview.example.com", // one label or more
    ///     "capacitor://localhost",         // an app made with Capacitor
    /// ])?;
    /// # Ok::<(), tower_didt::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidOrigin`] if one of them is neither.
    pub fn with_trusted_origins(
        self,
        origins: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self, ConfigError> {
        let origins = TrustedOrigins::new(origins)?;
        Ok(self.change(|gate| gate.origins = origins))
    }

    /// Asks the application when a session is about to begin, once per sign-in: to look the user up
    /// by issuer, to refuse, or to attach data that handlers read back with
    /// [`Session::data`](super::Session::data). Defaults to admitting everyone.
    ///
    /// It does not run for requests with the cookie, nor for a token that only authenticates its own
    /// request: one that was used before, or on a layer [`without_sign_in`]. **To keep people out
    /// there too, refuse them in [`with_on_token`](Self::with_on_token)**, which is asked first.
    /// Where the same token arrives several times at once, it may run for each, and one of them
    /// gets the session.
    ///
    /// Called before anything is minted: a refusal or failure uses no token up.
    ///
    /// An `async` closure that captures its state cannot be a hook, since the hook's future must
    /// not borrow from it: clone the state in a plain closure, and move the clone into an `async`
    /// block.
    ///
    /// ```
    /// # use std::{collections::HashMap, sync::Arc};
    /// # use tower_didt::{DidAuth, Issuer, Login, Refusal, Verifier};
    /// # async fn find(users: &HashMap<Issuer, u64>, issuer: Issuer) -> Result<u64, Refusal> {
    /// #     users.get(&issuer).copied().ok_or_else(Refusal::forbidden)
    /// # }
    /// let users: Arc<HashMap<Issuer, u64>> = Arc::default();
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_on_sign_in(
    ///     move |login: Login| {
    ///         let users = Arc::clone(&users);
    ///         async move { find(&users, login.issuer()).await }
    ///     },
    /// );
    /// ```
    ///
    /// [`without_sign_in`]: DidLayer::without_sign_in
    #[must_use]
    pub fn with_on_sign_in<F, Fut, D>(self, hook: F) -> Self
    where
        F: Fn(Login) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        let hook = LoginHook::new(hook);
        self.change(|gate| gate.on_sign_in = Some(hook))
    }

    /// Asks the application about every accepted token, and remembers the answer for a while: to
    /// refuse people, or to attach data for the requests that a token authenticates by itself.
    /// Defaults to admitting everyone.
    ///
    /// It runs for each request with a valid token, also for one that was used before, unless the
    /// cookie beside it is that of a living session of the token's issuer. An answer that admits
    /// holds for this token for 30 seconds
    /// ([`with_token_answer_time`](Self::with_token_answer_time)), in at most 4 MiB of memory, so
    /// that a machine that sends its token with every request does not cost a look-up each. A
    /// refusal is not kept: the next request asks again. Requests with the cookie ask nobody.
    ///
    /// Its data goes into sessions too, unless [`with_on_sign_in`](Self::with_on_sign_in) attaches
    /// its own. Called before anything is minted: a refusal or failure uses no token up.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use std::sync::Arc;
    /// use tower_didt::layer::AcceptedToken;
    /// use tower_didt::{DidAuth, Issuer, Refusal, Verifier};
    ///
    /// let banned: Arc<HashSet<Issuer>> = Arc::default();
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app")).with_on_token(
    ///     move |token: AcceptedToken| {
    ///         let banned = Arc::clone(&banned);
    ///         async move {
    ///             match banned.contains(&token.issuer()) {
    ///                 true => Err(Refusal::forbidden()),
    ///                 false => Ok(()),
    ///             }
    ///         }
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn with_on_token<F, Fut, D>(self, hook: F) -> Self
    where
        F: Fn(AcceptedToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        let hook = TokenHook::new(hook);
        self.change(|gate| gate.on_token = Some(hook))
    }

    /// How long an answer of [`with_on_token`](Self::with_on_token) holds for its token. Defaults to
    /// 30 seconds; with zero, the application is asked each time.
    #[must_use]
    pub fn with_token_answer_time(self, time: Duration) -> Self {
        self.change(|gate| gate.token_answer_time = time)
    }

    /// Asks the application about every accepted token, each time, whether a session begins or
    /// not.
    ///
    /// It is `with_on_token` without a memory, but sees the request. Its data goes into sessions
    /// too.
    #[deprecated(
        note = "it runs for every request with a token, not once per sign-in: use `with_on_sign_in` \
                for what is due once per session, and `with_on_token` to refuse people"
    )]
    #[must_use]
    pub fn with_on_login<F, Fut, D>(self, hook: F) -> Self
    where
        F: Fn(Login) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<D, Refusal>> + Send + 'static,
        D: Serialize,
    {
        let hook = LoginHook::new(hook);
        self.change(|gate| gate.on_login = Some(hook))
    }

    /// Looks up everyone who signs in or sends a token at Magic: issuers that Magic does not
    /// know are refused (403), and while Magic cannot be asked, everyone is (503).
    /// [`MagicSignIn`](super::MagicSignIn) has other choices, by name.
    ///
    /// The profile is kept with the session. Handlers get it as a
    /// [`MagicUser`](crate::magic::MagicUser) in the request's extensions, under axum as an
    /// extractor, and the [hooks](Self::with_on_sign_in) by [`Login::magic_user`]. A
    /// session's profile is renewed in the background when it is an hour old; the requests of a
    /// session never wait for Magic.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, routing::get};
    /// use tower_didt::magic::{Magic, MagicError, MagicUser};
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// # async fn example(magic: Magic) -> Result<(), MagicError> {
    /// let auth = DidAuth::new(magic.verifier().await?).with_magic(magic);
    /// let app: Router = Router::new()
    ///     .route("/me", get(|user: MagicUser| async move {
    ///         user.email().map_or("no e-mail".to_owned(), ToString::to_string)
    ///     }))
    ///     .layer(auth.layer());
    /// # Ok(())
    /// # }
    /// # }
    /// ```
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn with_magic(self, magic: impl Into<super::MagicSignIn>) -> Self {
        let people = People(Some(magic.into()));
        self.change(|gate| {
            gate.people = people;
            gate.on_token = gate.on_token.take().map(TokenHook::fresh);
        })
    }

    /// Whether signing in takes a token that was made for this very browser. Defaults to no.
    ///
    /// The browser asks the server for a [`challenge`](Self::challenge) and passes its value
    /// as the token's attachment. A stolen token is then not enough to sign in.
    /// A challenge signs in once. A live session of the token's issuer next to the
    /// token is proof enough, and needs no challenge.
    ///
    /// Not to be combined with [`Verifier::with_attachment`]: a token has one attachment.
    /// A store that remembers nothing, such as [`NoSessions`](crate::NoSessions), cannot
    /// tell a challenge that was used either.
    #[must_use]
    pub fn with_bound_login(self, bound_login: BoundLogin) -> Self {
        self.change(|gate| gate.bound_login = bound_login)
    }

    /// Answers rejected requests in the application's own way. Defaults to `{"error":"…"}` as
    /// `application/json`.
    ///
    /// The handler sees why, the head of the request, and the answer that would be sent, which it
    /// changes or replaces. It writes *every* answer of the layer: to rejected requests, for
    /// refusals of [hooks](Self::with_on_sign_in), and for failures of extractors and stores in
    /// handlers ([`Rejection::into_answer`](super::Rejection::into_answer)). Afterwards the layer
    /// adds `WWW-Authenticate` to a `401` that has none (RFC 9110 section 11.6.1), and [forbids
    /// caches to store](super::forbid_storing) the answer.
    ///
    /// A page is sent to sign in, whether the visitor is a stranger or the session has ended;
    /// scripts and programs get the 401:
    ///
    /// ```
    /// use http::header::{HeaderValue, LOCATION};
    /// use http::StatusCode;
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
    ///     .with_rejection_handler(|rejected| {
    ///         let to_login = rejected.rejection().lacks_session() && rejected.is_navigation();
    ///         let mut answer = rejected.into_answer();
    ///         if to_login {
    ///             *answer.status_mut() = StatusCode::SEE_OTHER;
    ///             answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/login"));
    ///         }
    ///         answer
    ///     });
    /// ```
    ///
    /// With the feature `axum` the answer may be anything that is `IntoResponse`:
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::response::Redirect;
    /// use tower_didt::{DidAuth, Verifier};
    /// use tower_didt::layer::Answer;
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
    ///     .with_rejection_handler(|rejected| {
    ///         if rejected.rejection().lacks_session() && rejected.is_navigation() {
    ///             Answer::from(Redirect::to("/login"))
    ///         } else {
    ///             rejected.into_answer()
    ///         }
    ///     });
    /// # }
    /// ```
    ///
    /// With a handler, the head of each request that passes is copied, in case its handler fails.
    #[must_use]
    pub fn with_rejection_handler<F, A>(self, handler: F) -> Self
    where
        F: Fn(Rejected<'_>) -> A + Send + Sync + 'static,
        A: Into<Answer>,
    {
        let handler = move |rejected: Rejected<'_>| handler(rejected).into();
        self.change(|gate| gate.responder.handler = Some(Arc::new(handler)))
    }

    /// Rejects in gRPC's way: HTTP status 200, the reason in `grpc-status`. Defaults to
    /// HTTP's. Only for services that serve gRPC and nothing else: anybody else
    /// takes a 200 for a yes.
    #[must_use]
    pub fn with_grpc_rejections(self) -> Self {
        self.change(|gate| gate.responder.grpc = true)
    }

    /// Tells clients why they were rejected: the body of a rejection gets `reason`, which is
    /// [`Rejection::name`](super::Rejection::name), and `error_description`, which is what it
    /// displays; a gRPC rejection has the former as its `grpc-message`. Off by default. For
    /// development only: the reasons tell an attacker what to try next. Responses of the on-login
    /// hook's own, and what [`with_rejection_handler`](Self::with_rejection_handler) makes, stay as
    /// they are.
    ///
    /// ```
    /// use tower_didt::{DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
    ///     .with_debug_reasons(cfg!(debug_assertions));
    /// ```
    #[must_use]
    pub fn with_debug_reasons(self, debug_reasons: bool) -> Self {
        self.change(|gate| gate.responder.debug_reasons = debug_reasons)
    }

    /// The `realm` of challenges. Defaults to `magic`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::InvalidRealm`] if it has a quote, a backslash or anything but
    /// visible ASCII and spaces.
    pub fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !realm.bytes().all(plain) {
            return Err(ConfigError::InvalidRealm);
        }
        Ok(self.change(|gate| gate.responder.realm = realm.into()))
    }

    /// `Retry-After` where the store could not answer, whole seconds, at least 1. Defaults to 5.
    #[must_use]
    pub fn with_retry_after(self, delay: Duration) -> Self {
        self.change(|gate| gate.responder.retry_after = delay)
    }

    /// What the cache of checked proofs may take of memory. Defaults to 16 MiB.
    #[must_use]
    pub fn with_proof_cache_bytes(self, max_bytes: u64) -> Self {
        self.change(|gate| gate.proofs = ProofCache::new(max_bytes))
    }

    /// What the keys of returning issuers may take of memory. Defaults to 8 MiB, enough for
    /// some 2,500 of them: each takes 3 KB and shortens the check of its issuer's next token.
    #[must_use]
    pub fn with_issuer_cache_bytes(self, max_bytes: u64) -> Self {
        self.change(|gate| gate.keys = IssuerKeys::new(max_bytes))
    }

    /// Shares the caches of another `DidAuth`: those of checked proofs and of the keys of returning
    /// issuers. Both remember used tokens for as long as the longer of their
    /// [`max_token_age`](Self::with_max_token_age)s asks. Defaults to caches of its own.
    ///
    /// For an application that makes a new `DidAuth` when its settings change, and gives it the
    /// [store](Self::with_store) of the one before. What is cached depends on no setting: which audiences,
    /// times and people are accepted is checked again for every request.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tower_didt::store::SessionStore;
    /// use tower_didt::{DidAuth, MemoryStore, Verifier};
    ///
    /// let store: Arc<dyn SessionStore> = Arc::new(MemoryStore::new());
    /// let before = DidAuth::new(Verifier::new("did:magic:my-app")).with_store(Arc::clone(&store));
    /// let after = DidAuth::new(Verifier::new(["did:magic:my-app", "did:magic:mobile"]))
    ///     .with_store(store)
    ///     .with_caches_of(&before);
    /// # let _ = after;
    /// ```
    #[must_use]
    pub fn with_caches_of(self, other: &Self) -> Self {
        let Gate { proofs, keys, turns, longest_age, .. } = &*other.0;
        self.change(|gate| {
            longest_age.allow(gate.longest_age.get());
            gate.longest_age = longest_age.clone();
            gate.proofs = proofs.clone();
            gate.keys = keys.clone();
            gate.turns = turns.clone();
        })
    }

    /// Where the time comes from. Defaults to [`SystemClock`].
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.change(|gate| gate.clock = Arc::new(clock))
    }

    /// A layer that lets only authenticated requests pass.
    /// Use [`optional`](DidLayer::optional) on it to let others pass too.
    pub fn layer(&self) -> DidLayer {
        DidLayer::new(Arc::clone(&self.0))
    }

    /// A challenge for a [bound login](Self::with_bound_login), to be handed to the
    /// browser that wants to sign in. Serve it on `POST`, so that no link leads to it; it
    /// needs no layer. Each one takes the place of the browser's former one: ask for it
    /// right before the token.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::{Router, routing::post};
    /// use tower_didt::{BoundLogin, DidAuth, Verifier};
    ///
    /// let auth = DidAuth::new(Verifier::new("did:magic:my-app"))
    ///     .with_bound_login(BoundLogin::required());
    /// let app: Router = Router::new().route("/challenge", post(async move || auth.challenge()));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError::Randomness`] if the operating system's random number generator failed.
    pub fn challenge(&self) -> Result<Challenge, StoreError> {
        self.0.bound_login.challenge(&self.0.cookie, self.0.clock.now())
    }

    /// Everybody's sessions, for administration: lists, counts and ends them.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions::new(Arc::clone(&self.0))
    }

    /// Lists a page of an issuer's living sessions, oldest first. Short for
    /// [`sessions().of`](Sessions::of).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn sessions_of(
        &self,
        issuer: Issuer,
        page: PageRequest,
    ) -> Result<SessionPage, StoreError> {
        self.sessions().of(issuer, page).await
    }

    /// What Magic said about the person when a session began, or when it was last renewed in its store; `None` if
    /// Magic was not asked. For administration.
    #[cfg(feature = "magic")]
    #[cfg_attr(docsrs, doc(cfg(feature = "magic")))]
    #[must_use]
    pub fn magic_user_of(
        record: &crate::session::SessionRecord,
    ) -> Option<crate::magic::MagicUser> {
        let read = |json: &str| crate::magic::MagicUser::from_session(record.issuer, json).ok();
        record.data.profile(read)
    }

    /// Lists a page of the issuers that have sessions. Short for
    /// [`sessions().issuers`](Sessions::issuers).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn issuers(&self, after: Option<IssuerCursor>) -> Result<IssuerPage, StoreError> {
        self.sessions().issuers(after).await
    }

    /// Ends one session: `true` if the issuer had one of this handle. Short for
    /// [`sessions().end`](Sessions::end).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer.
    pub async fn revoke(&self, issuer: Issuer, handle: SessionHandle) -> Result<bool, StoreError> {
        self.sessions().end(issuer, handle).await
    }

    /// Ends all sessions of an issuer, and its tokens. Short for
    /// [`sessions().end_all`](Sessions::end_all).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store did not answer, or [remembers](SessionStore::remembers) nothing.
    pub async fn sign_out_everywhere(&self, issuer: Issuer) -> Result<(), StoreError> {
        self.sessions().end_all(issuer).await
    }

    /// Makes sure that the store answers. For readiness probes: it costs a store of
    /// several machines a round trip, and one in memory nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store does not answer within its own time limit.
    pub async fn ready(&self) -> Result<(), StoreError> {
        self.0.store.ready().await
    }

    /// A session that a token just began, without the token: for tests of handlers.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store makes none, or not at once.
    #[cfg(feature = "testing")]
    pub(crate) fn made_session(
        &self,
        token: crate::session::TokenMark,
        data: SessionData,
        remember: bool,
    ) -> Result<Session, StoreError> {
        self.0.made_session(token, data, remember)
    }

    /// What a token must have to be accepted now: an audience and a time.
    #[cfg(feature = "testing")]
    pub(crate) fn expects(&self) -> (Option<&str>, Timestamp) {
        (self.0.verifier.audiences().first(), self.0.clock.now())
    }

    /// For pages of ours, which read the rejections themselves: as the layer writes them.
    #[cfg(feature = "sign-in-page")]
    pub(crate) fn with_plain_rejections(self) -> Self {
        self.change(|gate| {
            gate.responder.handler = None;
            gate.responder.grpc = false;
        })
    }

    #[cfg(feature = "sign-in-page")]
    pub(crate) fn trusted_origins(&self) -> &TrustedOrigins {
        &self.0.origins
    }

    #[cfg(feature = "sign-in-page")]
    pub(crate) fn cookie_domain(&self) -> Option<&str> {
        self.0.cookie.domain()
    }

    /// Whether the page has a box for it.
    #[cfg(feature = "sign-in-page")]
    pub(crate) fn offers_to_remember(&self) -> bool {
        self.0.remember_me.is_some_and(|remember_me| remember_me.is_chosen_by_people())
    }

    #[cfg(feature = "sign-in-page")]
    pub(crate) fn binds_logins(&self) -> bool {
        !self.0.bound_login.is_off()
    }

    fn change(mut self, change: impl FnOnce(&mut Gate)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}
