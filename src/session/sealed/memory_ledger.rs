//! The ledger in this process's memory.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::ledger::{Birth, RevocationLedger, SealedSession};
use super::revocations::Revocations;
use super::versions::Versions;
use crate::did::{Issuer, Timestamp};
use crate::session::newest_tokens::NewestTokens;
use crate::session::used_tokens::UsedTokens;
use crate::session::{StoreFuture, TokenMark, TokenState};
use crate::sync::{Mutex, RwLock};

/// How many used tokens are remembered by default; about 25 MiB when full.
const DEFAULT_MAX_USED_TOKENS: usize = 256 * 1024;

/// How many ended sessions are remembered by default; some 50 MiB when full.
const DEFAULT_MAX_ENDED_SESSIONS: usize = 256 * 1024;

/// What a [`SealedStore`](super::SealedStore) has to remember, in this process's memory.
///
/// It ends with the process, and no other process knows of it: see the table at
/// `SealedStore`. It is bounded, and errs on the safe side:
///
/// - Above its limit of used tokens it does as [`MemoryStore`](crate::MemoryStore) does.
/// - Above its limit of ended sessions it forgets those that are oldest, and from then on takes
///   every session of the same issuer that is as old for ended. Of one issuer it remembers 64 ended
///   sessions one by one; an issuer that ends more than that loses older ones too.
/// - Above the same number of sessions whose data was changed it forgets those that end first, and
///   from then on changes no data of the same issuer's sessions that end no later.
/// - Other issuers do not notice: with as many forgotten as remembered, each of another issuer,
///   one session in 5,000 that was made before that ends with them, with four times as many one
///   in 44, with sixteen times as many every other one. Their users sign in again.
///   What is forgotten takes a further 32 MiB at most, by default.
///
/// Cloning is cheap and shares the ledger.
#[derive(Clone)]
pub struct MemoryLedger(Arc<Shared>);

struct Shared {
    tokens: UsedTokens,
    newest: NewestTokens,
    revocations: RwLock<Revocations>,
    versions: Mutex<Versions>,
}

impl MemoryLedger {
    /// A ledger with the default limits: 262,144 used tokens and as many ended sessions.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limits(DEFAULT_MAX_USED_TOKENS, DEFAULT_MAX_ENDED_SESSIONS)
    }

    /// A ledger that remembers so many used tokens (about 100 bytes each) and ended
    /// sessions (some 200 bytes each), and of as many sessions that their data was changed (the
    /// same).
    #[must_use]
    pub fn with_limits(max_used_tokens: usize, max_ended_sessions: usize) -> Self {
        Self(Arc::new(Shared {
            tokens: UsedTokens::new(max_used_tokens),
            newest: NewestTokens::new(max_used_tokens),
            revocations: RwLock::new(Revocations::new(max_ended_sessions)),
            versions: Mutex::new(Versions::new(max_ended_sessions)),
        }))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Revocations) -> T) -> StoreFuture<T> {
        let mut revocations = self.0.revocations.write().unwrap_or_else(PoisonError::into_inner);
        StoreFuture::ready(Ok(change(&mut revocations)))
    }
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryLedger {
    /// Shows only the type's name: it may hold hundreds of thousands of entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}

impl RevocationLedger for MemoryLedger {
    fn claim(&self, token: TokenMark, now: Timestamp) -> StoreFuture<Result<Birth, TokenState>> {
        let state = self.0.tokens.claim(&token, now);
        if state != TokenState::New {
            return StoreFuture::ready(Ok(Err(state)));
        }
        self.change(|revocations| {
            // The birth would lie after an end that came since, of which the token is part.
            if self.0.tokens.is_revoked(&token) {
                return Err(TokenState::Revoked);
            }
            Ok(revocations.next_birth(token.issuer, now))
        })
    }

    fn state_of(&self, token: TokenMark, now: Timestamp) -> StoreFuture<TokenState> {
        StoreFuture::ready(Ok(self.0.tokens.state_of(&token, now)))
    }

    fn advance(&self, token: TokenMark, now: Timestamp) -> StoreFuture<bool> {
        StoreFuture::ready(Ok(self.0.newest.advance(&token, now)))
    }

    fn end(&self, session: SealedSession, _now: Timestamp) -> StoreFuture<bool> {
        self.change(|revocations| revocations.end(&session))
    }

    fn end_all(&self, issuer: Issuer, _longest: Duration, now: Timestamp) -> StoreFuture<()> {
        // Tokens first: a claim whose birth comes after the end sees it.
        self.0.tokens.revoke_all(issuer, now);
        self.change(|revocations| revocations.end_all(issuer, now))
    }

    fn supersede(&self, session: SealedSession, version: u64, now: Timestamp) -> StoreFuture<bool> {
        let mut versions = self.0.versions.lock().unwrap_or_else(PoisonError::into_inner);
        StoreFuture::ready(Ok(versions.supersede(&session, version, now)))
    }

    fn is_superseded(
        &self,
        session: SealedSession,
        version: u64,
        _now: Timestamp,
    ) -> StoreFuture<bool> {
        let versions = self.0.versions.lock().unwrap_or_else(PoisonError::into_inner);
        StoreFuture::ready(Ok(versions.is_superseded(&session, version)))
    }

    fn has_ended(&self, session: SealedSession, _now: Timestamp) -> StoreFuture<bool> {
        let revocations = self.0.revocations.read().unwrap_or_else(PoisonError::into_inner);
        StoreFuture::ready(Ok(revocations.has_ended(&session)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_it_remembers_262_144_used_tokens_and_as_many_ended_sessions() {
        let limits = |ledger: MemoryLedger| {
            let revocations = ledger.0.revocations.read().expect("no panic inside");
            (ledger.0.tokens.max(), revocations.max())
        };
        assert_eq!(limits(MemoryLedger::new()), (262_144, 262_144));
        assert_eq!(limits(MemoryLedger::with_limits(3, 5)), (3, 5));
    }
}
