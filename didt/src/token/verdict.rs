//! The verdict as JSON: the one form that `verify` prints, for one token or a batch.

use serde::Serialize;
use serde_json::value::RawValue;
use tower_didt::{Issuer, Timestamp, TokenError, VerifiedClaim};

/// `{"verdict":"accept",…}` or `{"verdict":"reject",…}`.
#[derive(Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub(crate) enum Verdict {
    Accept { issuer: Issuer, address: String, expires_at: Timestamp },
    Reject(Fault),
}

/// Why: a name and a code for programs, a sentence for people.
#[derive(Serialize)]
pub(crate) struct Fault {
    error: &'static str,
    code: &'static str,
    message: String,
}

/// A verdict in a batch, under the name that its line gave.
#[derive(Serialize)]
pub(crate) struct Named<'a> {
    /// Written as it was read; absent names are `null`.
    pub(crate) name: Option<&'a RawValue>,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
}

impl Verdict {
    /// The verdict on a line of a batch that asks no question that could be answered.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self::Reject(Fault { error: "input", code: "ERROR_INPUT", message: message.into() })
    }

    pub(crate) const fn is_accept(&self) -> bool {
        matches!(self, Self::Accept { .. })
    }
}

impl From<Result<VerifiedClaim, TokenError>> for Verdict {
    fn from(result: Result<VerifiedClaim, TokenError>) -> Self {
        match result {
            Ok(claim) => Self::Accept {
                issuer: claim.issuer(),
                address: claim.address().to_string(),
                expires_at: claim.expires_at(),
            },
            Err(error) => Self::Reject(Fault::from(&error)),
        }
    }
}

impl From<&TokenError> for Fault {
    fn from(error: &TokenError) -> Self {
        Self { error: error.name(), code: error.code(), message: error.to_string() }
    }
}
