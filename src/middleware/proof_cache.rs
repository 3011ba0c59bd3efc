//! A proof that was checked once need not be checked again.

use std::fmt;

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::issuer_keys::{IssuerKeys, OVERHEAD};
use super::observe;
use crate::did::{SignedClaim, Timestamp, TokenError, VerifiedClaim, Verifier};
use crate::stopwatch::Stopwatch;

/// The cache's default memory: 16 MiB, about 16,000 tokens.
pub(super) const DEFAULT_MAX_BYTES: u64 = 16 * 1024 * 1024;

type Key = [u8; 32];

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

    /// As [`Verifier::verify`], but skips the signature check for a token seen before.
    pub(super) fn verify(
        &self,
        verifier: &Verifier,
        keys: &IssuerKeys,
        token: &[u8],
        now: Timestamp,
    ) -> Result<VerifiedClaim, TokenError> {
        // What is longer than any token is not worth hashing.
        verifier.check_length(token)?;
        let started = Stopwatch::start();
        let key: Key = Sha256::digest(token).into();
        let (seen_before, result) = match self.0.get(&key) {
            Some(signed) => (true, verifier.check(&signed, now)),
            None => (false, self.verify_new(verifier, keys, key, token, now)),
        };
        observe::verified(started, seen_before, &result);
        result
    }

    fn verify_new(
        &self,
        verifier: &Verifier,
        keys: &IssuerKeys,
        key: Key,
        token: &[u8],
        now: Timestamp,
    ) -> Result<VerifiedClaim, TokenError> {
        let decoded = verifier.decode(token)?;
        verifier.check_statement(decoded.claim(), now)?;
        let signed = keys.check(decoded)?;
        let verified = verifier.check(&signed, now);
        self.0.insert(key, signed);
        verified
    }
}

impl fmt::Debug for ProofCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofCache").field("tokens", &self.0.entry_count()).finish()
    }
}
