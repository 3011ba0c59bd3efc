//! What all probes share: the gateway, one session there, and how an answer is judged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::OnceCell;
use tower_didt::Address;
use tower_didt::magic::AdminApi;

use super::finding::Inconclusive;
use super::seen::Seen;
use super::session::{Session, Tokens, issuer_of, session_cookie};
use super::wire::{Answer, Connector, Error, Request, Url};

/// The gateway under examination.
pub(super) struct Examination {
    pub(super) guarded: Url,
    public: Option<Url>,
    auth: String,
    /// Lower case; the first has the issuer.
    pub(super) identity: Vec<String>,
    tokens: Tokens,
    connector: Arc<Connector>,
    /// How long to wait for a renewed session cookie.
    pub(super) renewal_wait: Duration,
    /// Whether this one works, if there is one to try.
    pub(super) secret_key: Option<SecretKeyOf>,
    counter: AtomicU64,
    secrets: Mutex<Vec<String>>,
    signed_in: OnceCell<Result<Answer, Inconclusive>>,
    session: OnceCell<Result<Session, Inconclusive>>,
    signed_out: OnceCell<Result<Answer, Inconclusive>>,
}

/// A secret key of Magic's, and the application that it should be of.
#[derive(Clone)]
pub(super) struct SecretKeyOf {
    pub(super) api: AdminApi,
    pub(super) audience: Option<String>,
}

/// How far a request came.
pub(super) enum Reply {
    /// `didt echo` answered, or a cache in its name.
    Upstream(Answer),
    /// The request was answered with success, but not by `didt echo`.
    Given(Answer),
    Refused(Answer),
    /// The connection was closed without an answer: refused, rudely.
    Closed,
}

impl Examination {
    pub(super) fn new(
        guarded: Url,
        public: Option<Url>,
        auth: String,
        identity: Vec<String>,
        tokens: Tokens,
        connector: Arc<Connector>,
        renewal_wait: Duration,
    ) -> Self {
        Self {
            guarded,
            public,
            auth,
            identity,
            tokens,
            connector,
            renewal_wait,
            secret_key: None,
            counter: AtomicU64::new(0),
            secrets: Mutex::default(),
            signed_in: OnceCell::new(),
            session: OnceCell::new(),
            signed_out: OnceCell::new(),
        }
    }

    /// Checks that something answers at all.
    pub(super) async fn knock(&self) -> Result<(), Error> {
        self.connector.send(&self.guarded, &Request::get(&self.guarded)).await.map(drop)
    }

    /// Sends a request and judges the answer. An outage is not a refusal: the result is
    /// inconclusive.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, Inconclusive> {
        let answer = match self.connector.send(&self.guarded, request).await {
            Ok(answer) => answer,
            Err(Error::Closed) => return Ok(Reply::Closed),
            Err(error) => return Err(error.into()),
        };
        if Seen::marks(&answer) {
            return Ok(Reply::Upstream(answer));
        }
        match answer.status {
            429 => Err(Inconclusive::unknown("the gateway limits the rate of requests (429)")),
            status @ (500 | 502 | 503 | 504) => Err(Inconclusive::unknown(format!(
                "the gateway answers {status}: something behind it is down, or sends answers that it does not accept"
            ))),
            _ if answer.is_given() => Ok(Reply::Given(answer)),
            _ => Ok(Reply::Refused(answer)),
        }
    }

    /// Sends a request that must not get through: `Some` says how it did.
    pub(super) async fn must_refuse(
        &self,
        what: &str,
        request: &Request,
    ) -> Result<Option<String>, Inconclusive> {
        Ok(match self.ask(request).await? {
            Reply::Upstream(_) => Some(format!("{what} reaches the upstream")),
            Reply::Given(answer) => Some(format!("{what} is answered with {}", answer.status)),
            Reply::Refused(_) | Reply::Closed => None,
        })
    }

    pub(super) fn public(&self) -> Result<&Url, Inconclusive> {
        self.public
            .as_ref()
            .ok_or_else(|| Inconclusive::skipped("it needs a public route: --public"))
    }

    /// A fresh token, if they are minted; else the one that there is.
    pub(super) fn token(&self) -> Result<String, Inconclusive> {
        let token = match &self.tokens {
            Tokens::None => {
                return Err(Inconclusive::skipped(
                    "it needs a session: --token, or --seed and --audience",
                ));
            }
            Tokens::Spent => {
                return Err(Inconclusive::skipped(
                    "the only token was used for the first URL: --seed and --audience mint one for each",
                ));
            }
            Tokens::One(token) => token.clone(),
            Tokens::Minted { wallet, audience, .. } => wallet.token(audience.as_str()).mint(),
        };
        self.keep_secret(&token);
        Ok(token)
    }

    /// The answer to the one sign-in.
    pub(super) async fn signed_in(&self) -> Result<&Answer, Inconclusive> {
        let answer = self.signed_in.get_or_init(|| async { self.sign_in(&self.token()?).await });
        answer.await.as_ref().map_err(Clone::clone)
    }

    /// The cookie of another user, if tokens are minted.
    pub(super) async fn other_user(&self) -> Result<Option<String>, Inconclusive> {
        let Tokens::Minted { other, audience, .. } = &self.tokens else { return Ok(None) };
        let token = other.token(audience.as_str()).mint();
        self.keep_secret(&token);
        let answer = self.sign_in(&token).await?;
        Ok(session_cookie(&answer).map(|(name, value)| format!("{name}={value}")))
    }

    /// The public address of the other user, who may be missing from a list of users.
    pub(super) fn other_address(&self) -> Option<Address> {
        match &self.tokens {
            Tokens::Minted { other, .. } => Some(other.issuer().address()),
            _ => None,
        }
    }

    async fn sign_in(&self, token: &str) -> Result<Answer, Inconclusive> {
        let request = Request::to("POST", &self.guarded)
            .target(self.auth_path("/login"))
            .header("Authorization", format!("Bearer {token}"));
        let answer = self.connector.send(&self.guarded, &request).await?;
        if Seen::marks(&answer) || !answer.is_given() {
            let status = answer.status;
            let path = self.auth_path("/login");
            return Err(Inconclusive::unknown(format!("sign-in at {path} answers {status}")));
        }
        if let Some((_, value)) = session_cookie(&answer) {
            self.keep_secret(value);
        }
        Ok(answer)
    }

    /// Signs out the holder of this cookie.
    pub(super) async fn sign_out(&self, cookie: &str) -> Result<Answer, Error> {
        let request = Request::to("POST", &self.guarded)
            .target(self.auth_path("/logout"))
            .header("Cookie", cookie);
        self.connector.send(&self.guarded, &request).await
    }

    /// The one session, which has been seen to reach the upstream.
    pub(super) async fn session(&self) -> Result<&Session, Inconclusive> {
        let session = self.session.get_or_init(|| async {
            let answer = self.signed_in().await?;
            let (cookie_name, value) = session_cookie(answer)
                .ok_or_else(|| Inconclusive::unknown("signing in set no cookie at the client"))?;
            let cookie = format!("{cookie_name}={value}");
            let plain = self.fresh("GET").header("Cookie", &cookie);
            let seen = match self.ask(&plain).await? {
                Reply::Upstream(answer) => Seen::read(&answer),
                Reply::Given(answer) | Reply::Refused(answer) => {
                    return Err(Inconclusive::unknown(format!(
                        "with a session, {} answers {}, but not as didt echo",
                        self.guarded, answer.status
                    )));
                }
                Reply::Closed => return Err(Error::Closed.into()),
            };
            let seen =
                seen.ok_or_else(|| Inconclusive::unknown("didt echo's answer was garbled"))?;
            let who = Request::get(&self.guarded)
                .target(self.auth_path("/session"))
                .header("Cookie", &cookie);
            let who = self.connector.send(&self.guarded, &who).await?;
            let issuer = issuer_of(&who);
            Ok(Session { cookie, cookie_name: cookie_name.to_owned(), issuer, seen })
        });
        session.await.as_ref().map_err(Clone::clone)
    }

    /// Signs the one session out: no probe that needs it may come later.
    pub(super) async fn signed_out(&self) -> Result<&Answer, Inconclusive> {
        let answer = self.signed_out.get_or_init(|| async {
            let session = self.session().await?;
            let answer = self.sign_out(&session.cookie).await?;
            if Seen::marks(&answer) || answer.status >= 400 {
                let status = answer.status;
                let path = self.auth_path("/logout");
                return Err(Inconclusive::unknown(format!("sign-out at {path} answers {status}")));
            }
            Ok(answer)
        });
        answer.await.as_ref().map_err(Clone::clone)
    }

    pub(super) fn auth_path(&self, path: &str) -> String {
        format!("{}{path}", self.auth)
    }

    /// A request of the guarded route that no cache can have an answer to, the stranger's
    /// refusal included.
    pub(super) fn fresh(&self, method: &str) -> Request {
        let target = format!("{}?{}", self.guarded.path, self.unique());
        Request::to(method, &self.guarded).target(target)
    }

    /// The same, with the session.
    pub(super) fn signed(&self, method: &str, session: &Session) -> Request {
        self.fresh(method).header("Cookie", &session.cookie)
    }

    /// A text that no other run or request has: caches have not seen it.
    pub(super) fn unique(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        format!("didt-doctor-{:x}-{:x}-{number}", std::process::id(), since.as_nanos())
    }

    /// `text` without tokens and cookies, should an answer have repeated them.
    pub(super) fn redacted(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "[…]"))
    }

    fn keep_secret(&self, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        if !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
        }
    }
}
