//! What has to be remembered where sessions live in their cookies: the contract.

use std::fmt;
use std::time::Duration;

use crate::did::{Issuer, Timestamp};
use crate::session::{SessionHandle, StoreError, StoreFuture, TokenMark, TokenState};

/// The memory of a [`SealedStore`](super::SealedStore): which tokens were used, and
/// which sessions were ended before their time.
///
/// [`MemoryLedger`](super::MemoryLedger) is one for a single process. `RedisStore`
/// (feature `redis`) is one that machines share, so that sign-out holds on all of them.
///
/// # What every ledger guarantees
///
/// - **One claim per token.** Of any number of [`claim`](Self::claim)s with the same
///   [`TokenMark::digest`], one succeeds.
/// - **Ending all ends tokens too**, as
///   [`SessionStore::revoke_all`](crate::store::SessionStore::revoke_all) says.
/// - **Births follow ends.** What [`end_all`](Self::end_all) ends are the issuer's
///   sessions whose birth was given out before; a birth that is given out
///   afterwards is never among them. That is a matter of order, not of clocks,
///   which may differ between machines and run backwards: the ledger decides it.
/// - **Ended is ended**, until the session's own end. A ledger that runs out of
///   room may take sessions for ended that are not, never the other way round.
/// - **Unsure is an error.**
pub trait RevocationLedger: fmt::Debug + Send + Sync + 'static {
    /// Marks a token as used. Of a new one it returns the birth of the session that may be made
    /// of it, which lies after everything that was ended for the token's issuer; of another,
    /// what it is.
    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<Result<Birth, TokenState>>;

    /// Says what a token is: as [`SessionStore::state_of`](crate::store::SessionStore::state_of).
    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState>;

    /// Notes when a token was issued: as
    /// [`SessionStore::advance`](crate::store::SessionStore::advance).
    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool>;

    /// Ends a session: `true` if it had not ended yet.
    fn end(&self, session: SealedSession, now: Timestamp) -> StoreFuture<bool>;

    /// Ends all sessions of an issuer that were born so far, on any machine, and its tokens. No
    /// session lives for longer than `longest`, after which their end may be forgotten.
    fn end_all(&self, issuer: Issuer, longest: Duration, now: Timestamp) -> StoreFuture<()>;

    /// Whether a session was ended.
    fn has_ended(&self, session: SealedSession, now: Timestamp) -> StoreFuture<bool>;

    /// Notes that a version of a session's data is followed by another one: `true` the first time.
    ///
    /// Of any number of calls with the same session and version, one succeeds, and none with an
    /// earlier version afterwards, until the session's own end. A ledger that runs out of room may
    /// take versions for followed that are not, never the other way round.
    ///
    /// Defaults to [`StoreError::Unsupported`]: the data of sessions cannot be changed.
    fn supersede(&self, session: SealedSession, version: u64, now: Timestamp) -> StoreFuture<bool> {
        let _ = (session, version, now);
        StoreFuture::ready(Err(StoreError::Unsupported))
    }

    /// Whether a version of a session's data is followed by another one. Defaults to no.
    fn is_superseded(
        &self,
        session: SealedSession,
        version: u64,
        now: Timestamp,
    ) -> StoreFuture<bool> {
        let _ = (session, version, now);
        StoreFuture::ready(Ok(false))
    }

    /// Whether the ledger can be asked at all: as
    /// [`SessionStore::ready`](crate::store::SessionStore::ready).
    fn ready(&self) -> StoreFuture<()> {
        StoreFuture::ready(Ok(()))
    }
}

/// A session that lives in its cookie, as a ledger knows it. It is genuine: a
/// sealed ticket or a signed handle said so.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SealedSession {
    /// Whose session it is.
    pub issuer: Issuer,
    /// What names it.
    pub handle: SessionHandle,
    /// Its place in the order of births and ends.
    pub birth: Birth,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
}

/// A session's position in the order of its issuer's births and ends.
///
/// Roughly the microseconds from the Unix epoch to when it was minted, but later
/// than every end that came before it. Not the time of anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Birth(u64);

impl Birth {
    /// The latest birth that a clock can yield. Far from the end of the numbers, so that
    /// a clock gone mad leaves room for what comes after.
    const LATEST_OF_A_CLOCK: u64 = 1 << 62;

    /// The birth with this number.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// What a clock that shows `now` suggests.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        // From a float, `as` saturates: what is before the epoch is 0.
        let micros = (now.as_secs_f64() * 1e6) as u64;
        Self(micros.min(Self::LATEST_OF_A_CLOCK))
    }

    /// The one right after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn births_count_microseconds_and_none_is_before_the_epoch() {
        let birth = |secs| Birth::at(Timestamp::from_secs(secs)).as_u64();
        assert_eq!(birth(2), 2_000_000);
        assert_eq!(birth(-2), 0);
        assert_eq!(Birth::from_u64(7).next().as_u64(), 8);
    }
}
