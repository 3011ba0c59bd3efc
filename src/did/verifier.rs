//! The checks that a claim must pass here and now: audience, times, attachment.

use std::time::Duration;

use super::error::{Field, Malformed, SignatureOf, TokenError};
use super::personal_sign;
use super::signature::Signature;
use super::token::{DidToken, MAX_TOKEN_LEN, check_signer};
use super::{Address, Audiences, Claim, Issuer, SignedClaim, Timestamp};

/// How far after `now` a token's `nbf` and `iat` may be by default: 300 seconds,
/// the grace that Magic's SDKs allow for `nbf`.
pub const DEFAULT_LEEWAY: Duration = Duration::from_secs(300);

/// Verifies DID tokens for one application.
///
/// It does no I/O and reads no clock: the same token, options and `now` always
/// return the same verdict.
///
/// ```
/// use tower_didt::{Timestamp, TokenError, Verifier};
/// # use tower_didt::testing::Wallet;
/// # let token = Wallet::from_seed("alice").token("did:magic:my-app").issued_at(Timestamp::from_secs(1_700_000_000)).mint();
///
/// let verifier = Verifier::new("did:magic:my-app");
/// let claim = verifier.verify(&token, Timestamp::from_secs(1_700_000_060))?;
/// println!("signed in: {}", claim.issuer());
///
/// let much_later = Timestamp::from_secs(1_800_000_000);
/// assert!(matches!(verifier.verify(&token, much_later), Err(TokenError::Expired { .. })));
/// # Ok::<(), TokenError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    audiences: Audiences,
    not_before_leeway: Duration,
    issued_at_leeway: Duration,
    expiry_leeway: Duration,
    max_age: Option<Duration>,
    max_token_len: usize,
    attachment: Option<Box<str>>,
}

impl Verifier {
    /// A verifier for tokens made for `audience`: your application's Magic client id,
    /// or several of them.
    ///
    /// A verifier needs an audience: otherwise, another application could use the tokens that it
    /// received here. What cannot be a client id (a blank text, a key of Magic's API) matches no
    /// token, not even one with the same `aud`; [`Audiences::check`] finds it beforehand, and a
    /// `DidAuth` logs it with the feature `tracing`.
    ///
    /// ```
    /// use tower_didt::Verifier;
    ///
    /// let one = Verifier::new("did:magic:f54168e9-9ce9-47f2-81c8-7cb2a96b26ba");
    /// let several = Verifier::new(["did:magic:web", "did:magic:mobile"]);
    /// ```
    #[must_use]
    pub fn new(audience: impl Into<Audiences>) -> Self {
        Self {
            audiences: audience.into(),
            not_before_leeway: DEFAULT_LEEWAY,
            issued_at_leeway: DEFAULT_LEEWAY,
            expiry_leeway: Duration::ZERO,
            max_age: None,
            max_token_len: MAX_TOKEN_LEN,
            attachment: None,
        }
    }

    /// How far after `now` the claim's `nbf` may be. Defaults to [`DEFAULT_LEEWAY`], 300 seconds.
    #[must_use]
    pub fn with_not_before_leeway(mut self, leeway: Duration) -> Self {
        self.not_before_leeway = leeway;
        self
    }

    /// How far after `now` the claim's `iat` may be. Defaults to [`DEFAULT_LEEWAY`], 300 seconds.
    #[must_use]
    pub fn with_issued_at_leeway(mut self, leeway: Duration) -> Self {
        self.issued_at_leeway = leeway;
        self
    }

    /// For how long after `ext` a token is still accepted. Defaults to zero.
    #[must_use]
    pub fn with_expiry_leeway(mut self, leeway: Duration) -> Self {
        self.expiry_leeway = leeway;
        self
    }

    /// Refuses tokens that were issued longer ago than this, whatever their `ext` says.
    /// Defaults to no cap; `DidAuth` sets its own.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The longest token that is read, in bytes. Defaults to [`MAX_TOKEN_LEN`], 8 KiB.
    #[must_use]
    pub fn with_max_token_len(mut self, bytes: usize) -> Self {
        self.max_token_len = bytes;
        self
    }

    /// Expects the token's `add` to be the issuer's signature over this attachment.
    /// The empty string is an attachment too. Defaults to none: `add` is ignored.
    #[must_use]
    pub fn with_attachment(mut self, attachment: impl Into<Box<str>>) -> Self {
        self.attachment = Some(attachment.into());
        self
    }

    /// The audiences that are accepted.
    #[must_use]
    pub const fn audiences(&self) -> &Audiences {
        &self.audiences
    }

    /// The cap on a token's age, if there is one.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Verifies a token as it was received: decodes it, checks audience and times,
    /// recovers the signer, checks the attachment.
    ///
    /// # Errors
    ///
    /// The first [`TokenError`] met. Which one that is, where a token has several
    /// faults, is not part of the contract.
    pub fn verify(
        &self,
        token: impl AsRef<[u8]>,
        now: Timestamp,
    ) -> Result<VerifiedClaim, TokenError> {
        let token = self.decode(token)?;
        // What costs nothing comes first, the curve last.
        self.check_statement(token.claim(), now)?;
        self.check(&token.into_signed()?, now)
    }

    /// Decodes a token within this verifier's length limit.
    ///
    /// # Errors
    ///
    /// As [`DidToken::decode`].
    pub fn decode(&self, token: impl AsRef<[u8]>) -> Result<DidToken, TokenError> {
        DidToken::decode_with_limit(token.as_ref(), self.max_token_len)
    }

    /// Refuses text that is longer than any token, before any other work.
    #[cfg(feature = "layer")]
    pub(crate) fn check_length(&self, token: &[u8]) -> Result<(), TokenError> {
        super::token::check_length(token, self.max_token_len)
    }

    /// The last moment at which a claim is accepted where it may be `max_age` old: its
    /// own end, or that of its age, whichever comes first.
    #[cfg(feature = "layer")]
    pub(crate) fn end_of(&self, claim: &Claim, max_age: Duration) -> Timestamp {
        claim.ext().plus(self.expiry_leeway).min(claim.iat().plus(max_age))
    }

    /// Checks a claim whose proof is known to be good: audience, times, attachment.
    ///
    /// # Errors
    ///
    /// [`TokenError::AudienceMismatch`], [`TokenError::Expired`], [`TokenError::TooOld`],
    /// [`TokenError::NotYetValid`]; and where an attachment is expected also
    /// [`TokenError::Malformed`], [`TokenError::FailedRecovery`],
    /// [`TokenError::IncorrectSigner`].
    pub fn check(&self, signed: &SignedClaim, now: Timestamp) -> Result<VerifiedClaim, TokenError> {
        self.check_statement(signed.claim(), now)?;
        if let Some(attachment) = &self.attachment {
            self.check_attachment(signed, attachment)?;
        }
        Ok(VerifiedClaim { signed: signed.clone() })
    }

    /// Checks that the claim's `add` is the issuer's signature over this attachment,
    /// under the same rules as the proof. For attachments that differ from request to
    /// request; one that never changes is what
    /// [`with_attachment`](Self::with_attachment) is for.
    ///
    /// # Errors
    ///
    /// [`TokenError::Malformed`], [`TokenError::FailedRecovery`], [`TokenError::IncorrectSigner`].
    pub fn check_attachment(
        &self,
        signed: &SignedClaim,
        attachment: &str,
    ) -> Result<(), TokenError> {
        check_attachment(signed.claim(), attachment)
    }

    /// The checks that cost nothing and need no signature. Passing them proves
    /// nothing: they spare the curve for tokens that could not be accepted anyway.
    ///
    /// # Errors
    ///
    /// [`TokenError::AudienceMismatch`], [`TokenError::Expired`], [`TokenError::TooOld`],
    /// [`TokenError::NotYetValid`].
    pub fn check_statement(&self, claim: &Claim, now: Timestamp) -> Result<(), TokenError> {
        if !self.audiences.accept(claim.aud()) {
            return Err(TokenError::AudienceMismatch {
                claimed: claim.aud().into(),
                accepted: self.audiences.clone(),
            });
        }
        if claim.ext().plus(self.expiry_leeway) < now {
            return Err(TokenError::Expired { now, ext: claim.ext() });
        }
        for (not_before, leeway) in
            [(claim.nbf(), self.not_before_leeway), (claim.iat(), self.issued_at_leeway)]
        {
            if not_before.minus(leeway) > now {
                return Err(TokenError::NotYetValid { now, not_before, leeway });
            }
        }
        match self.max_age {
            Some(max_age) if claim.iat().plus(max_age) < now => {
                Err(TokenError::TooOld { now, iat: claim.iat(), max_age })
            }
            _ => Ok(()),
        }
    }
}

/// `add` is the issuer's own signature over the attachment, under the same rules as the proof.
fn check_attachment(claim: &Claim, attachment: &str) -> Result<(), TokenError> {
    let add = claim.add().ok_or(Malformed::Missing(Field::Add))?;
    let signature = Signature::parse(add).map_err(|fault| TokenError::FailedRecovery {
        signature: SignatureOf::Attachment,
        fault,
    })?;
    let prehash = personal_sign::prehash(attachment.as_bytes());
    check_signer(SignatureOf::Attachment, &signature, &prehash, claim.iss().address()).map(drop)
}

/// A claim that its issuer signed for this application and that is valid now.
///
/// Only a [`Verifier`] makes one. It proves exactly this: the holder of the key
/// behind [`issuer`](Self::issuer) made this statement for this application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClaim {
    signed: SignedClaim,
}

impl VerifiedClaim {
    /// The identity that was proven: the only value to look a user up by.
    #[must_use]
    pub fn issuer(&self) -> Issuer {
        self.signed.issuer()
    }

    /// The issuer's Ethereum address, Magic's *public address*.
    #[must_use]
    pub fn address(&self) -> Address {
        self.issuer().address()
    }

    /// When the token expires by its holder's word, which may be a trillion years ahead.
    /// A [cap on its age](Verifier::with_max_age) may end it sooner.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.claim().ext()
    }

    /// All that the holder stated. Apart from the issuer these are the holder's own words.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        self.signed.claim()
    }

    /// The signed claim that this was made from.
    #[must_use]
    pub const fn signed(&self) -> &SignedClaim {
        &self.signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Wallet;

    #[test]
    fn a_blank_audience_admits_nobody_who_leaves_it_blank_too() {
        let now = Timestamp::from_secs(1_700_000_000);
        for blank in ["", " ", "\t\n", "\u{a0}"] {
            let token = Wallet::from_seed("mallory").token(blank).issued_at(now).mint();
            let error = Verifier::new(blank).verify(token, now).expect_err("refused");
            assert!(matches!(error, TokenError::AudienceMismatch { .. }), "{blank:?}: {error}");
        }
    }

    #[test]
    fn a_token_may_be_as_old_as_the_cap_and_no_older() {
        let issued = Timestamp::from_secs(1_700_000_000);
        let cap = Duration::from_secs(60);
        let verifier = Verifier::new("app").with_max_age(cap);
        assert_eq!((Verifier::new("app").max_age(), verifier.max_age()), (None, Some(cap)));
        // By itself it lives for longer.
        let wallet = Wallet::from_seed("alice");
        let token = wallet.token("app").issued_at(issued).lifespan(Duration::from_secs(900)).mint();
        for age in [0, 59, 60] {
            verifier.verify(&token, issued.plus(Duration::from_secs(age))).expect("young enough");
        }
        for age in [61, 900] {
            let now = issued.plus(Duration::from_secs(age));
            let error = verifier.verify(&token, now).expect_err("too old");
            assert_eq!(error, TokenError::TooOld { now, iat: issued, max_age: cap });
        }
    }
}
