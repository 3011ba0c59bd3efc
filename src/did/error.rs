//! Why a token was refused: one enum, both sides of every comparison.

use std::fmt;
use std::time::Duration;

use super::quoted::Quoted;
use super::{Address, Audiences, Timestamp};

/// Why a token was refused.
///
/// Every variant carries both sides of the comparison that failed. Nothing in
/// here is secret: neither `Display` nor `Debug` ever show a token or a
/// signature. [`code`](Self::code) returns the code that Magic's own SDKs use.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// The text is not a DID token.
    Malformed(Malformed),
    /// A signature has a form that no honest signer makes, or recovers to no key.
    FailedRecovery {
        /// Which of the token's two signatures.
        signature: SignatureOf,
        /// What is wrong with it.
        fault: SignatureFault,
    },
    /// A signature was made by another key than the issuer's.
    IncorrectSigner {
        /// Which of the token's two signatures.
        signature: SignatureOf,
        /// The address that the claim names as its issuer.
        claimed: Address,
        /// The address that the signature recovers to.
        recovered: Address,
    },
    /// The token's own expiry time has passed (`ext < now`).
    Expired {
        /// The time of the check.
        now: Timestamp,
        /// The claim's `ext`.
        ext: Timestamp,
    },
    /// The token was issued too long ago (`now - iat` exceeds the verifier's cap).
    TooOld {
        /// The time of the check.
        now: Timestamp,
        /// The claim's `iat`.
        iat: Timestamp,
        /// The cap on the token's age.
        max_age: Duration,
    },
    /// The token must not be used yet (`nbf` or `iat` is further in the future than the leeway).
    NotYetValid {
        /// The time of the check.
        now: Timestamp,
        /// The later of the claim's `nbf` and `iat` that failed the check.
        not_before: Timestamp,
        /// How far in the future that time may be.
        leeway: Duration,
    },
    /// The token was made for another application.
    AudienceMismatch {
        /// The claim's `aud`.
        claimed: Box<str>,
        /// What the verifier accepts.
        accepted: Audiences,
    },
}

impl TokenError {
    /// The code that Magic's JavaScript SDK (`@magic-sdk/admin` 2.8) uses for this error.
    ///
    /// [`TooOld`](Self::TooOld), which Magic's SDKs do not check, shares the code of
    /// [`Expired`](Self::Expired).
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ERROR_MALFORMED_TOKEN",
            Self::FailedRecovery { .. } => "ERROR_FAILED_RECOVERING_PROOF",
            Self::IncorrectSigner { .. } => "ERROR_INCORRECT_SIGNER_ADDR",
            Self::Expired { .. } | Self::TooOld { .. } => "ERROR_DIDT_EXPIRED",
            Self::NotYetValid { .. } => "ERROR_DIDT_CANNOT_BE_USED_YET",
            Self::AudienceMismatch { .. } => "ERROR_AUDIENCE_MISMATCH",
        }
    }

    /// A short name for logs, metrics and machine-readable output, in snake case.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::FailedRecovery { .. } => "failed_recovery",
            Self::IncorrectSigner { .. } => "incorrect_signer",
            Self::Expired { .. } => "expired",
            Self::TooOld { .. } => "too_old",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::AudienceMismatch { .. } => "audience_mismatch",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(part) => write!(f, "malformed token: {part}"),
            Self::FailedRecovery { signature, fault } => {
                write!(f, "no signer can be recovered from the {signature}: {fault}")
            }
            Self::IncorrectSigner { signature, claimed, recovered } => {
                write!(f, "the {signature} was signed by {recovered}, but the issuer is {claimed}")
            }
            Self::Expired { now, ext } => write!(f, "expired at {ext}, and it is {now}"),
            Self::TooOld { now, iat, max_age } => write!(
                f,
                "issued at {iat}, and at {now} that is more than {} seconds ago",
                max_age.as_secs_f64()
            ),
            Self::NotYetValid { now, not_before, leeway } => write!(
                f,
                "not valid before {not_before}, and it is {now} (leeway {} seconds)",
                leeway.as_secs_f64()
            ),
            Self::AudienceMismatch { claimed, accepted } => {
                write!(f, "made for audience {}, but expected {accepted}", Quoted(claimed))
            }
        }
    }
}

impl std::error::Error for TokenError {}

/// Which part of a token is malformed, and how.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The token is longer than the verifier reads.
    TooLong {
        /// Length of the token in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not base64 in one alphabet, canonical, without blanks, padded fully or not at all.
    Base64,
    /// The decoded bytes are not UTF-8.
    Utf8,
    /// The decoded text is not a JSON array of exactly two strings.
    Envelope,
    /// The claim is not one JSON object and nothing else.
    ClaimJson,
    /// The claim is nested deeper than the limit.
    TooDeep {
        /// The limit in levels, the claim's own object counted as the first.
        limit: usize,
    },
    /// The claim has a duplicate key.
    DuplicateKey,
    /// A field that is required is missing.
    Missing(Field),
    /// A field has a value of the wrong kind: not a string, or for times not a finite number.
    Invalid(Field),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => write!(f, "{length} bytes, the limit is {limit}"),
            Self::Base64 => f.write_str("not canonical base64"),
            Self::Utf8 => f.write_str("not UTF-8"),
            Self::Envelope => f.write_str("not a JSON array of two strings"),
            Self::ClaimJson => f.write_str("the claim is not a JSON object"),
            Self::TooDeep { limit } => {
                write!(f, "the claim is nested deeper than {limit} levels")
            }
            Self::DuplicateKey => f.write_str("the claim has a duplicate key"),
            Self::Missing(field) => write!(f, "the claim has no {field}"),
            Self::Invalid(Field::Iss) => {
                f.write_str("the claim's iss is not did:ethr:0x and 40 hexadecimal digits")
            }
            Self::Invalid(field) if field.is_time() => {
                write!(f, "the claim's {field} is not a finite number")
            }
            Self::Invalid(field) => write!(f, "the claim's {field} is not a string"),
        }
    }
}

/// A field of the claim that the verifier reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `iat`, when the token was issued.
    Iat,
    /// `ext`, when the token expires.
    Ext,
    /// `nbf`, before when the token must not be used.
    Nbf,
    /// `iss`, who signed.
    Iss,
    /// `sub`, Magic's user id as the holder states it.
    Sub,
    /// `aud`, the application that the token is for.
    Aud,
    /// `tid`, the token's own id.
    Tid,
    /// `add`, the signature over the attachment.
    Add,
}

impl Field {
    /// The key in the claim.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Iat => "iat",
            Self::Ext => "ext",
            Self::Nbf => "nbf",
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Tid => "tid",
            Self::Add => "add",
        }
    }

    const fn is_time(self) -> bool {
        matches!(self, Self::Iat | Self::Ext | Self::Nbf)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// The two signatures of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureOf {
    /// The proof: the signature over the claim.
    Claim,
    /// `add`: the signature over the attachment.
    Attachment,
}

impl fmt::Display for SignatureOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "proof",
            Self::Attachment => "attachment's signature",
        })
    }
}

/// What is wrong with a signature.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureFault {
    /// Not `0x` and 130 hexadecimal digits.
    Hex,
    /// `v` is neither 27 nor 28.
    RecoveryId,
    /// `r` or `s` is zero, or not below the order of the curve.
    OutOfRange,
    /// `s` is in the upper half: anyone can turn a signature into this second form.
    HighS,
    /// No public key belongs to this signature.
    NoKey,
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hex => "not 0x and 130 hexadecimal digits",
            Self::RecoveryId => "v is neither 27 nor 28",
            Self::OutOfRange => "r or s is out of range",
            Self::HighS => "s is in the upper half of its range",
            Self::NoKey => "it belongs to no public key",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_sdk_and_names_are_ours() {
        let (now, ext) = (Timestamp::from_secs(2), Timestamp::from_secs(1));
        let signature = SignatureOf::Claim;
        let issuer = Address::from_bytes([1; 20]);
        let rows = [
            (TokenError::Malformed(Malformed::ClaimJson), "ERROR_MALFORMED_TOKEN", "malformed"),
            (
                TokenError::FailedRecovery { signature, fault: SignatureFault::NoKey },
                "ERROR_FAILED_RECOVERING_PROOF",
                "failed_recovery",
            ),
            (
                TokenError::IncorrectSigner { signature, claimed: issuer, recovered: issuer },
                "ERROR_INCORRECT_SIGNER_ADDR",
                "incorrect_signer",
            ),
            (TokenError::Expired { now, ext }, "ERROR_DIDT_EXPIRED", "expired"),
            (
                TokenError::TooOld { now, iat: ext, max_age: Duration::ZERO },
                "ERROR_DIDT_EXPIRED",
                "too_old",
            ),
            (
                TokenError::NotYetValid { now, not_before: ext, leeway: Duration::ZERO },
                "ERROR_DIDT_CANNOT_BE_USED_YET",
                "not_yet_valid",
            ),
            (
                TokenError::AudienceMismatch { claimed: "a".into(), accepted: "b".into() },
                "ERROR_AUDIENCE_MISMATCH",
                "audience_mismatch",
            ),
        ];
        for (error, code, name) in rows {
            assert_eq!((error.code(), error.name()), (code, name));
        }
    }

    #[test]
    fn each_field_is_named_by_its_key() {
        use Field::*;
        let fields = [Iat, Ext, Nbf, Iss, Sub, Aud, Tid, Add];
        let keys = ["iat", "ext", "nbf", "iss", "sub", "aud", "tid", "add"];
        assert_eq!(fields.map(Field::key), keys);
        assert_eq!(fields.map(Field::is_time).iter().filter(|is| **is).count(), 3);
    }
}
