//! The key of an issuer who has signed before.

use std::fmt;

use super::Issuer;
use super::curve::{KeyTable, PublicKey};
use super::personal_sign::Prehash;
use super::signature::Signature;

/// The public key of an issuer, learned from a token that it signed.
///
/// A token names its issuer by address only, so that its key has to be recovered from
/// the proof. Where the key is known from an earlier token, checking the proof against it
/// takes about two thirds of the time: see [`DidToken::into_signed_with`](super::DidToken::into_signed_with).
/// What is known never changes a verdict, only how long it takes.
///
/// ```
/// use tower_didt::{DidToken, TokenError};
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

    /// The same key, ready to check proofs against. Takes about half the time of a
    /// recovery, and 3 KB of memory.
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
