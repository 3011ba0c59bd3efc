//! The key of an issuer who has signed before.

use std::fmt;

use super::Issuer;
use super::curve::{KeyTable, PublicKey};
use super::personal_sign::Prehash;
use super::signature::Signature;

/// The public key of an issuer, learned from a token that it signed.
///
/// A token names its issuer by address only, so that its key has to be recovered from the proof.
/// Where the key is known from an earlier token, checking the proof against it takes about three
/// fifths of the time: see [`DidToken::into_signed_with`](super::DidToken::into_signed_with).
/// Knowing a key never changes a verdict, only how long it takes.
///
/// ```
/// use tower_didt::TokenError;
/// use tower_didt::token::DidToken;
/// # use tower_didt::testing::Wallet;
/// # let [first, second] = [1, 2].map(|_| Wallet::from_seed("alice").token("did:magic:my-app").mint());
///
/// let (_, key) = DidToken::decode(first)?.into_signed_and_key()?;
/// let key = key.prepared();
/// let signed = DidToken::decode(second)?.into_signed_with(&key)?;
/// assert_eq!(signed.issuer(), key.issuer());
/// # Ok::<(), TokenError>(())
/// ```
#[derive(Clone)]
pub struct IssuerKey {
    /// Whose key it is. Only a recovery whose address matched makes one.
    issuer: Issuer,
    key: PublicKey,
    table: Option<KeyTable>,
}

impl IssuerKey {
    /// Only to be called with the key that was recovered from one of the issuer's signatures.
    pub(super) fn new(issuer: Issuer, key: PublicKey) -> Self {
        Self { issuer, key, table: None }
    }

    /// Whose key it is.
    #[must_use]
    pub const fn issuer(&self) -> Issuer {
        self.issuer
    }

    /// The same key, ready to check proofs against. Takes about three fifths of
    /// a recovery's time, and 3 KB of memory.
    #[must_use]
    pub fn prepared(mut self) -> Self {
        self.table.get_or_insert_with(|| KeyTable::new(&self.key));
        self
    }

    /// Whether it was [prepared](Self::prepared). If not, it makes nothing cheaper.
    #[must_use]
    pub const fn is_prepared(&self) -> bool {
        self.table.is_some()
    }

    /// Bytes of memory that one of these takes, shared clones counted once.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        let table = if self.is_prepared() { KeyTable::SIZE } else { 0 };
        size_of::<Self>() + table
    }

    /// Whether recovery from `proof` is known to give the key of `issuer`. If it is not
    /// known, it may do so all the same.
    pub(super) fn made(&self, issuer: Issuer, proof: &Signature, prehash: &Prehash) -> bool {
        let table = self.table.as_ref().filter(|_| issuer == self.issuer);
        table.is_some_and(|table| proof.is_by(table, prehash))
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey")
            .field("issuer", &self.issuer)
            .field("prepared", &self.is_prepared())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use crate::did::{DidToken, IssuerKey, SignatureFault, TokenError};
    use crate::testing::Wallet;

    fn decoded(token: &str) -> DidToken {
        DidToken::decode(token).expect("a token")
    }

    fn key_of(wallet: &Wallet) -> IssuerKey {
        let token = decoded(&wallet.token("app").mint());
        token.into_signed_and_key().expect("a good token").1.prepared()
    }

    #[test]
    fn the_key_of_another_issuer_vouches_for_nothing() {
        let [alice, mallory] = ["alice", "mallory"].map(Wallet::from_seed);
        // In alice's name, and mallory's key made the proof.
        let forged = decoded(&mallory.token_from_claim(&alice.token("app").claim()));
        for key in [key_of(&alice), key_of(&mallory)] {
            let error = forged.clone().into_signed_with(&key).expect_err("a forged token");
            assert!(
                matches!(error, TokenError::IncorrectSigner { claimed, recovered, .. }
                    if claimed == alice.issuer().address()
                        && recovered == mallory.issuer().address()),
                "{error}"
            );
        }
    }

    #[test]
    fn a_proof_with_the_other_v_is_refused_with_the_key_known_too() {
        let alice = Wallet::from_seed("alice");
        let key = key_of(&alice);
        for _ in 0..8 {
            let claim = alice.token("app").claim();
            let proof = alice.personal_sign(&claim);
            let (digits, v) = proof.split_at(proof.len() - 2);
            let other = if v == "1b" { "1c" } else { "1b" };
            let json = serde_json::to_string(&[&format!("{digits}{other}"), &claim]);
            let token = STANDARD.encode(json.expect("two strings"));
            let error = decoded(&token).into_signed_with(&key).expect_err("another signature");
            assert_eq!(decoded(&token).into_signed(), Err(error.clone()));
            assert!(
                matches!(
                    error,
                    TokenError::IncorrectSigner { .. }
                        | TokenError::FailedRecovery { fault: SignatureFault::NoKey, .. }
                ),
                "{error}"
            );
        }
    }

    #[test]
    fn memory_is_counted_with_the_table_once_it_is_there() {
        let token = decoded(&Wallet::from_seed("alice").token("app").mint());
        let (_, bare) = token.into_signed_and_key().expect("a good token");
        let prepared = bare.clone().prepared();
        assert!(!bare.is_prepared() && prepared.is_prepared());
        // 32 points of two coordinates at the least.
        assert!(prepared.memory_size() >= bare.memory_size() + 32 * 64);
        assert_eq!(prepared.clone().prepared().memory_size(), prepared.memory_size());
    }
}
