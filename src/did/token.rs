//! The token's text: `base64(JSON.stringify([proof, claim]))`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;

use super::curve::PublicKey;
use super::error::{Malformed, SignatureOf, TokenError};
use super::personal_sign::{self, Prehash};
use super::signature::{Signature, address_of};
use super::{Claim, IssuerKey, SignedClaim};

/// The longest token that is read, in bytes of its text.
///
/// Magic's tokens have 800 to 1,000 bytes. HTTP servers commonly allow 8 KiB for
/// all headers of a request together (nginx `large_client_header_buffers`).
pub const MAX_TOKEN_LEN: usize = 8 * 1024;

/// A token that was decoded, and **not** verified: nothing in it can be believed yet.
///
/// Each step of trust has its own type: `DidToken` (well formed) →
/// [`SignedClaim`] (the proof was checked) → [`VerifiedClaim`](super::VerifiedClaim)
/// (meant for this audience, now). Use [`Verifier::verify`](super::Verifier::verify)
/// for all of it at once.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// # use tower_didt::{Clock, SystemClock, Verifier};
/// # use tower_didt::testing::Wallet;
/// # use tower_didt::token::DidToken;
/// # let text = Wallet::from_seed("alice").token("did:magic:my-app").mint();
/// let token = DidToken::decode(&text)?; // says anything
/// let signed = token.into_signed()?; // says what its issuer signed
/// let verifier = Verifier::new("did:magic:my-app");
/// let verified = verifier.check(&signed, SystemClock.now())?; // for this audience, now
/// println!("{} is calling", verified.issuer());
/// # }
/// # Ok::<(), tower_didt::TokenError>(())
/// ```
#[derive(Clone)]
pub struct DidToken {
    claim: Claim,
    /// Hash of the claim's text exactly as received, which is what was signed.
    prehash: Prehash,
    proof: Signature,
}

impl DidToken {
    /// Decodes a token of at most [`MAX_TOKEN_LEN`] bytes.
    ///
    /// The standard and the URL-safe base64 alphabets are read, padded fully or
    /// not at all.
    ///
    /// # Errors
    ///
    /// [`TokenError::Malformed`] if the text is not a token, and
    /// [`TokenError::FailedRecovery`] if its proof has a form that no signer makes.
    pub fn decode(token: impl AsRef<[u8]>) -> Result<Self, TokenError> {
        Self::decode_with_limit(token.as_ref(), MAX_TOKEN_LEN)
    }

    /// Decodes a token of at most `limit` bytes.
    pub(super) fn decode_with_limit(token: &[u8], limit: usize) -> Result<Self, TokenError> {
        check_length(token, limit)?;
        let json = String::from_utf8(decode_base64(token)?).map_err(|_| Malformed::Utf8)?;
        let Envelope(proof, claim_text) =
            serde_json::from_str(&json).map_err(|_| Malformed::Envelope)?;
        let claim = Claim::parse(&claim_text)?;
        let proof = Signature::parse(&proof)
            .map_err(|fault| TokenError::FailedRecovery { signature: SignatureOf::Claim, fault })?;
        let prehash = personal_sign::prehash(claim_text.as_bytes());
        Ok(Self { claim, prehash, proof })
    }

    /// What the token states. Unverified.
    #[must_use]
    pub const fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Checks the proof: recovers the signer and compares it with the claim's issuer.
    ///
    /// This is the expensive step. Its result holds for ever, so it can be cached.
    ///
    /// # Errors
    ///
    /// [`TokenError::FailedRecovery`] if no key belongs to the proof,
    /// [`TokenError::IncorrectSigner`] if another key than the issuer's made it.
    pub fn into_signed(self) -> Result<SignedClaim, TokenError> {
        self.into_signed_and_key().map(|(signed, _)| signed)
    }

    /// As [`into_signed`](Self::into_signed), and keeps the issuer's key, which that has
    /// to find anyway.
    ///
    /// # Errors
    ///
    /// As [`into_signed`](Self::into_signed).
    pub fn into_signed_and_key(self) -> Result<(SignedClaim, IssuerKey), TokenError> {
        let issuer = self.claim.iss();
        let key = check_signer(SignatureOf::Claim, &self.proof, &self.prehash, issuer.address())?;
        Ok((SignedClaim::new(self.claim, self.prehash), IssuerKey::new(issuer, key)))
    }

    /// As [`into_signed`](Self::into_signed), and cheaper if `key` is
    /// [prepared](IssuerKey::prepared) and its owner made this token.
    ///
    /// The verdict is the same with any key.
    ///
    /// # Errors
    ///
    /// As [`into_signed`](Self::into_signed).
    pub fn into_signed_with(self, key: &IssuerKey) -> Result<SignedClaim, TokenError> {
        if key.made(self.claim.iss(), &self.proof, &self.prehash) {
            return Ok(SignedClaim::new(self.claim, self.prehash));
        }
        // Not that key's, or no key's at all: only recovery shows which.
        self.into_signed()
    }
}

impl fmt::Debug for DidToken {
    /// The claim without the proof: the proof is what makes the token a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DidToken").field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// The first check of all: nothing is done with a text that is too long.
pub(super) fn check_length(token: &[u8], limit: usize) -> Result<(), TokenError> {
    if token.len() > limit {
        return Err(Malformed::TooLong { length: token.len(), limit }.into());
    }
    Ok(())
}

/// The rule that both signatures of a token obey: `signature` recovers to `claimed`.
/// Returns the key of that address.
pub(super) fn check_signer(
    of: SignatureOf,
    signature: &Signature,
    prehash: &Prehash,
    claimed: super::Address,
) -> Result<PublicKey, TokenError> {
    let key = signature
        .recover(prehash)
        .map_err(|fault| TokenError::FailedRecovery { signature: of, fault })?;
    let recovered = address_of(&key);
    if recovered == claimed {
        Ok(key)
    } else {
        Err(TokenError::IncorrectSigner { signature: of, claimed, recovered })
    }
}

/// Base64 in one alphabet. An engine refuses blanks, foreign characters and
/// trailing bits that are not zero; padding is all that it should be or not there.
fn decode_base64(token: &[u8]) -> Result<Vec<u8>, Malformed> {
    let url_safe = token.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let engine = match (url_safe, token.ends_with(b"=")) {
        (false, true) => &STANDARD,
        (false, false) => &STANDARD_NO_PAD,
        (true, true) => &URL_SAFE,
        (true, false) => &URL_SAFE_NO_PAD,
    };
    engine.decode(token).map_err(|_| Malformed::Base64)
}

/// `[proof, claim]`: an array of exactly two strings.
#[derive(Deserialize)]
struct Envelope<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>);

impl From<Malformed> for TokenError {
    fn from(part: Malformed) -> Self {
        Self::Malformed(part)
    }
}
