//! A claim whose proof was checked: the part of a verification that never changes.

use std::fmt;
use std::sync::Arc;

use sha3::{Digest, Keccak256};

use super::personal_sign::Prehash;
use super::{Claim, Issuer};

/// A claim that its issuer signed. Cacheable for ever; cheap to clone.
///
/// Whether it is meant for this application, and valid now, is another question:
/// [`Verifier::check`](super::Verifier::check) answers it and must be asked every time.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedClaim(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    claim: Claim,
    digest: ClaimDigest,
}

impl SignedClaim {
    /// Only to be called with a claim whose proof was checked.
    pub(super) fn new(claim: Claim, prehash: Prehash) -> Self {
        let digest = ClaimDigest::new(claim.iss(), &prehash);
        Self(Arc::new(Inner { claim, digest }))
    }

    /// What was signed.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.0.claim
    }

    /// Who signed it.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.0.claim.iss()
    }

    /// What marks this claim as used. See [`ClaimDigest`].
    #[must_use]
    pub fn digest(&self) -> ClaimDigest {
        self.0.digest
    }

    /// Bytes of memory that one of these takes, shared clones counted once.
    #[must_use]
    pub fn memory_size(&self) -> usize {
        const REFERENCE_COUNTS: usize = 2 * size_of::<usize>();
        size_of::<Inner>() + REFERENCE_COUNTS + self.0.claim.heap_size()
    }
}

impl fmt::Debug for SignedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SignedClaim").field(self.claim()).finish()
    }
}

/// Identifies a signed claim: 32 bytes over the claim's text and its issuer.
///
/// Neither the token's text nor its proof take part. Anyone can rewrite the
/// base64, the case of hex digits or JSON blanks around a signed claim, and its
/// signer can sign it again; all of those are still this one claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClaimDigest([u8; 32]);

impl ClaimDigest {
    fn new(issuer: Issuer, prehash: &Prehash) -> Self {
        Self(
            Keccak256::new()
                .chain_update(issuer.address().as_bytes())
                .chain_update(prehash)
                .finalize()
                .into(),
        )
    }

    /// The mark of something else than a claim. Its bytes must be a hash, with a purpose
    /// of its own hashed in.
    #[cfg(any(feature = "layer", test))]
    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ClaimDigest {
    /// In hexadecimal. A digest is not a secret: no token can be made from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}
