//! What has to be remembered of sessions that live in their cookies.
//!
//! An issuer's births and ends are in one slot, next to the marks of its tokens, and
//! every decision about them is one script: births follow ends in the order in
//! which Redis acted, whatever the clocks of the machines say.

use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::ends::{self, Ends};
use super::fault::Fault;
use super::script::Request;
use super::topology::Answer;
use super::{Inner, RedisStore, millis, tokens};
use crate::did::{Issuer, Timestamp};
use crate::session::{
    Birth, RevocationLedger, SealedSession, SessionStore, StoreFuture, TokenMark, TokenState, kept,
};
use crate::session::{sealed::MAX_CLOCK_SKEW, sealed::MAX_PER_ISSUER};

/// How long an issuer's latest birth is remembered: as long as browsers keep a
/// cookie. It matters only where a clock was ahead by more than clocks may be.
const BIRTHS_KEPT: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The ledger of a [`SealedStore`](crate::SealedStore), shared by all machines: a token
/// makes one session ever, and sign-out holds everywhere and over restarts.
///
/// Of an issuer whose sessions were asked for lately this process keeps a copy of
/// what was ended, by the rules of [`RedisStore`]: no round trip for a request,
/// word of a sign-out within milliseconds, an error and never an answer where
/// Redis cannot be reached.
///
/// Of one issuer, 64 ended sessions are remembered one by one. Who ends more than
/// that, before they would have ended by themselves, loses older ones too.
///
/// ```no_run
/// use tower_didt::{RedisStore, SealedStore, SealingKeys};
///
/// # fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = SealingKeys::from_file("/run/secrets/sealing-keys")?;
/// let store = SealedStore::new(keys, RedisStore::open("redis://localhost")?);
/// # Ok(())
/// # }
/// ```
#[cfg_attr(docsrs, doc(cfg(all(feature = "redis", feature = "sealed"))))]
impl RevocationLedger for RedisStore {
    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<Result<Birth, TokenState>> {
        self.answer(move |inner| async move { inner.claim_birth(&token, now).await })
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        self.answer(move |inner| async move { inner.state_of(&token, now).await })
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.advance(&token, now).await })
    }

    fn end(&self, session: SealedSession, now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.end(&session, now).await })
    }

    fn end_all(&self, issuer: Issuer, longest: Duration, now: Timestamp) -> StoreFuture<()> {
        self.answer(move |inner| async move { inner.end_all(issuer, longest, now).await })
    }

    fn has_ended(&self, session: SealedSession, _now: Timestamp) -> StoreFuture<bool> {
        if let Some(ends) = self.0.ends.get(session.issuer, session.issuer) {
            return StoreFuture::ready(Ok(ends.include(&session)));
        }
        self.answer(move |inner| async move { inner.has_ended(&session).await })
    }

    fn supersede(&self, session: SealedSession, version: u64, now: Timestamp) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.supersede(&session, version, now).await })
    }

    fn is_superseded(
        &self,
        session: SealedSession,
        version: u64,
        _now: Timestamp,
    ) -> StoreFuture<bool> {
        self.answer(move |inner| async move { inner.is_superseded(&session, version).await })
    }

    fn ready(&self) -> StoreFuture<()> {
        SessionStore::ready(self)
    }
}

impl Inner {
    async fn claim_birth(
        &self,
        token: &TokenMark,
        now: Timestamp,
    ) -> Result<Result<Birth, TokenState>, Fault> {
        // Nobody's session is born of it: nothing has to be remembered but that it was used.
        #[cfg(feature = "layer")]
        if token.owner().is_none() {
            return Ok(match self.claim(token, now).await? {
                TokenState::New => Ok(Birth::at(now)),
                state => Err(state),
            });
        }
        let issuer = token.issuer;
        let keys = vec![
            self.keys.token(token),
            self.keys.births_of(issuer),
            self.keys.ends_of(issuer),
            self.keys.revoked_of(issuer),
        ];
        let args = vec![
            millis(token.usable_until, now),
            ends::digits(Birth::at(now)),
            millis(now.plus(BIRTHS_KEPT), now),
            token.issued_at.seconds().to_string(),
            ends::digits(Birth::at(now.plus(MAX_CLOCK_SKEW))),
        ];
        match self.ask(issuer, &Request::script(&ends::CLAIM, keys, args)).await?.value {
            Value::BulkString(birth) => {
                ends::read_digits(&birth).map(Ok).ok_or_else(Fault::unexpected)
            }
            other => tokens::read_state(&other).map(Err),
        }
    }

    /// Not to be repeated: where the answer was lost, the second would find the version superseded.
    async fn supersede(
        &self,
        session: &SealedSession,
        version: u64,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let (issuer, handle) = (session.issuer, session.handle);
        let args = vec![version.to_string(), millis(session.expires_at, now)];
        let keys = vec![self.keys.version_of(issuer, handle)];
        match self.ask(issuer, &Request::script(&ends::SUPERSEDE, keys, args)).await?.value {
            Value::Int(superseded) => Ok(superseded != 0),
            _ => Err(Fault::unexpected()),
        }
    }

    async fn is_superseded(&self, session: &SealedSession, version: u64) -> Result<bool, Fault> {
        let (issuer, handle) = (session.issuer, session.handle);
        let mut get = redis::cmd("GET");
        get.arg(self.keys.version_of(issuer, handle));
        match self.ask(issuer, &Request::lookup(get)).await?.value {
            Value::Nil => Ok(false),
            Value::BulkString(newest) => {
                let newest = std::str::from_utf8(&newest).ok().and_then(|text| text.parse().ok());
                Ok(newest.is_none_or(|newest: u64| newest > version))
            }
            _ => Err(Fault::unexpected()),
        }
    }

    async fn end(&self, session: &SealedSession, now: Timestamp) -> Result<bool, Fault> {
        let keys = vec![self.keys.ends_of(session.issuer)];
        let args = vec![
            session.handle.to_string(),
            ends::digits(session.birth),
            session.expires_at.plus(kept::MARGIN).seconds().to_string(),
            millis(session.expires_at, now),
            now.seconds().to_string(),
            MAX_PER_ISSUER.to_string(),
            ends::digits(Birth::at(now.plus(MAX_CLOCK_SKEW))),
            millis(now.plus(BIRTHS_KEPT), now),
        ];
        let _changing = self.changing(session.issuer);
        match self.ask(session.issuer, &Request::script(&ends::END, keys, args)).await?.value {
            Value::Int(ended) => Ok(ended != 0),
            _ => Err(Fault::unexpected()),
        }
    }

    async fn end_all(
        &self,
        issuer: Issuer,
        longest: Duration,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let keys = vec![
            self.keys.births_of(issuer),
            self.keys.ends_of(issuer),
            self.keys.revoked_of(issuer),
        ];
        let args = vec![
            ends::digits(Birth::at(now.plus(MAX_CLOCK_SKEW))),
            millis(now.plus(longest), now),
            now.seconds().to_string(),
            tokens::revoked_for(now),
        ];
        let _changing = self.changing(issuer);
        let end_all = Request::script(&ends::END_ALL, keys, args).and_repeatable();
        match self.ask(issuer, &end_all).await?.value {
            Value::Int(_) => Ok(()),
            _ => Err(Fault::unexpected()),
        }
    }

    async fn has_ended(&self, session: &SealedSession) -> Result<bool, Fault> {
        let issuer = session.issuer;
        let known = || self.ends.get(issuer, issuer).map(Ok);
        let ask = self.ends_of(issuer);
        let ends = self.ends_in_flight.load(issuer, self.timeout, known, ask).await;
        Ok(ends.unwrap_or_else(|| Err(Fault::too_many()))?.include(session))
    }

    async fn ends_of(&self, issuer: Issuer) -> Result<Arc<Ends>, Fault> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.keys.ends_of(issuer));
        // Before asking: what changes from here on is not in the answer.
        let asked = self.ends.asking(issuer, self.topology.slot_of(issuer));
        let Answer { value, line } = self.ask(issuer, &Request::lookup(get)).await?;
        let Value::Map(fields) = value else {
            return Err(Fault::unexpected());
        };
        let ends = Arc::new(Ends::read(issuer, &fields)?);
        self.ends.put(&ends, asked, line);
        Ok(ends)
    }
}
