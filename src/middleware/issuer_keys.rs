//! An issuer who signs in again need not have its key recovered again.

use std::fmt;

use moka::sync::Cache;

use crate::did::{DidToken, Issuer, IssuerKey, SignedClaim, TokenError};

/// The cache's default memory: 8 MiB, about 2,500 issuers who came
/// back, or 19,000 who were seen once.
pub(super) const DEFAULT_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// The memory of an entry besides its value: the cache's node and queues, and the key.
pub(super) const OVERHEAD: usize = 300;

/// Remembers the keys of issuers: bare ones at first, prepared ones of those who return.
///
/// No verdict depends on what is in here; see [`DidToken::into_signed_with`]. An entry is weighed
/// when it is inserted, and inserted again when it grows. Refused tokens insert nothing, so only a
/// key's owner can make it take memory.
#[derive(Clone)]
pub(super) struct IssuerKeys(Cache<Issuer, IssuerKey>);

impl IssuerKeys {
    /// A cache of about `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        let weigher = |_: &Issuer, key: &IssuerKey| {
            u32::try_from(key.memory_size() + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(max_bytes).weigher(weigher).build())
    }

    /// As [`DidToken::into_signed`], sooner for an issuer seen before.
    pub(super) fn check(&self, token: DidToken) -> Result<SignedClaim, TokenError> {
        let issuer = token.claim().iss();
        let (signed, news) = match self.0.get(&issuer) {
            Some(key) if key.is_prepared() => (token.into_signed_with(&key)?, None),
            Some(key) => {
                let key = key.prepared();
                (token.into_signed_with(&key)?, Some(key))
            }
            None => {
                let (signed, key) = token.into_signed_and_key()?;
                (signed, Some(key))
            }
        };
        if let Some(key) = news {
            self.0.insert(issuer, key);
        }
        Ok(signed)
    }
}

impl fmt::Debug for IssuerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKeys").field("issuers", &self.0.entry_count()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wallet;

    fn token(wallet: &Wallet) -> DidToken {
        DidToken::decode(wallet.token("app").mint()).expect("a token")
    }

    /// Its claim names `issuer`, and `signer` signs it.
    fn forged(issuer: &Wallet, signer: &Wallet) -> DidToken {
        DidToken::decode(signer.token_from_claim(&issuer.token("app").claim())).expect("a token")
    }

    #[test]
    fn a_key_is_kept_at_first_sight_and_prepared_at_the_second() {
        let keys = IssuerKeys::new(DEFAULT_MAX_BYTES);
        let wallet = Wallet::from_seed("alice");
        for prepared in [false, true, true] {
            let token = token(&wallet);
            let expected = token.clone().into_signed();
            assert_eq!(keys.check(token), expected);
            let key = keys.0.get(&wallet.issuer()).expect("an entry");
            assert_eq!(key.is_prepared(), prepared);
        }
    }

    #[test]
    fn a_forged_token_is_refused_alike_whatever_is_kept_and_changes_nothing() {
        let keys = IssuerKeys::new(DEFAULT_MAX_BYTES);
        let [alice, mallory] = ["alice", "mallory"].map(Wallet::from_seed);
        keys.check(token(&mallory)).expect("a good token");
        for expected in [None, Some(false), Some(true)] {
            let forged = forged(&alice, &mallory);
            let error = forged.clone().into_signed().expect_err("a forged token");
            assert!(matches!(error, TokenError::IncorrectSigner { .. }), "{error}");
            assert_eq!(keys.check(forged), Err(error));
            let kept = keys.0.get(&alice.issuer()).map(|key| key.is_prepared());
            assert_eq!(kept, expected);
            keys.check(token(&alice)).expect("a good token");
        }
    }

    #[test]
    fn the_bound_holds_for_keys_that_grow_after_they_came() {
        const BOUND: u64 = 64 * 1024;
        let keys = IssuerKeys::new(BOUND);
        let wallets: Vec<_> = (0..60).map(|seed| Wallet::from_seed([seed])).collect();
        for _ in 0..2 {
            for wallet in &wallets {
                keys.check(token(wallet)).expect("a good token");
            }
            keys.0.run_pending_tasks();
            let held: usize = keys.0.iter().map(|(_, key)| key.memory_size() + OVERHEAD).sum();
            assert_eq!(keys.0.weighted_size(), held as u64);
            assert!(held as u64 <= BOUND, "{held} bytes");
        }
        assert!(keys.0.iter().any(|(_, key)| key.is_prepared()));
    }

    #[test]
    fn with_no_room_at_all_tokens_get_the_same_verdict() {
        let keys = IssuerKeys::new(0);
        for _ in 0..3 {
            let token = token(&Wallet::from_seed("alice"));
            let expected = token.clone().into_signed();
            assert_eq!(keys.check(token), expected);
        }
        keys.0.run_pending_tasks();
        assert_eq!(keys.0.entry_count(), 0);
    }
}
