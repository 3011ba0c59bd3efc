//! A proof that was checked once need not be checked again.

use std::fmt;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::issuer_keys::{IssuerKeys, OVERHEAD};
use super::observe;
use crate::did::{DidToken, SignedClaim, Timestamp, TokenError, VerifiedClaim, Verifier};
use crate::stopwatch::Stopwatch;

/// The cache's default memory: 16 MiB, about 16,000 tokens.
pub(super) const DEFAULT_MAX_BYTES: u64 = 16 * 1024 * 1024;

type Key = [u8; 32];

/// What is known of a token before its signature is checked.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it was made")]
pub(super) enum Found {
    /// It was checked before.
    Proved(VerifiedClaim),
    Unproved(Unproved),
}

/// A token that is good if its signature is.
pub(super) struct Unproved {
    key: Key,
    token: DidToken,
}

/// Remembers *"this exact token text was signed by this issuer"*, and nothing else.
///
/// That never changes, so it holds for every audience, policy and time; those
/// are checked again on every hit. Only successes are remembered: a flood of bad
/// tokens leaves no trace. The key is the text's SHA-256, so that no bearer
/// token lies in memory and nobody can make two tokens that share a key.
#[derive(Clone)]
pub(super) struct ProofCache(Cache<Key, SignedClaim>);

impl ProofCache {
    /// A cache of about `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigher = |_: &Key, claim: &SignedClaim| {
            u32::try_from(claim.memory_size() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(max_bytes).weigher(weigher).build())
    }

    /// Does all of [`Verifier::verify`] that costs little: what is left of a token that was not
    /// seen before is its signature.
    pub(super) fn look_up(
        &self,
        verifier: &Verifier,
        token: &[u8],
        now: Timestamp,
    ) -> Result<Found, TokenError> {
        // What is longer than any token is not worth hashing.
        verifier.check_length(token)?;
        let started = Stopwatch::start();
        let key: Key = Sha256::digest(token).into();
        if let Some(signed) = self.0.get(&key) {
            let result = verifier.check(&signed, now);
            observe::verified(started, true, &result);
            return result.map(Found::Proved);
        }
        let decoded = verifier.decode(token).and_then(|token| {
            verifier.check_statement(token.claim(), now)?;
            Ok(token)
        });
        match decoded {
            Ok(token) => Ok(Found::Unproved(Unproved { key, token })),
            Err(error) => {
                let result = Err(error);
                observe::verified(started, false, &result);
                result.map(Found::Proved)
            }
        }
    }

    /// Checks the signature, and all else as of `now`.
    pub(super) fn prove(
        &self,
        verifier: &Verifier,
        keys: &IssuerKeys,
        Unproved { key, token }: Unproved,
        now: Timestamp,
    ) -> Result<VerifiedClaim, TokenError> {
        let started = Stopwatch::start();
        let result = keys.check(token).and_then(|signed| {
            let verified = verifier.check(&signed, now);
            self.0.insert(key, signed);
            verified
        });
        observe::verified(started, false, &result);
        result
    }

    /// The same of a token that had to wait: it may have been sent and proved again meanwhile.
    pub(super) fn prove_late(
        &self,
        verifier: &Verifier,
        keys: &IssuerKeys,
        unproved: Unproved,
        now: Timestamp,
    ) -> Result<VerifiedClaim, TokenError> {
        let started = Stopwatch::start();
        let Some(signed) = self.0.get(&unproved.key) else {
            return self.prove(verifier, keys, unproved, now);
        };
        let result = verifier.check(&signed, now);
        observe::verified(started, true, &result);
        result
    }
}

impl fmt::Debug for ProofCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofCache").field("tokens", &self.0.entry_count()).finish()
    }
}
