//! What a probe may come to.

use super::wire;

/// What a probe says.
pub(super) type Outcome = Result<Found, Inconclusive>;

/// A probe that got to its end.
#[derive(Debug)]
pub(super) enum Found {
    /// With what was looked at.
    Passed(String),
    /// With what is wrong, one sentence each.
    Failed(Vec<String>),
}

/// A probe that did not. Never taken for a pass.
#[derive(Clone, Debug)]
pub(super) enum Inconclusive {
    /// It needs what the command line does not have.
    Skipped(String),
    /// It got an answer that says nothing, or none.
    Unknown(String),
}

impl Found {
    /// Passed if nothing is wrong.
    pub(super) fn unless(wrong: Vec<String>, passed: impl Into<String>) -> Self {
        if wrong.is_empty() { Self::Passed(passed.into()) } else { Self::Failed(wrong) }
    }
}

impl Inconclusive {
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }

    pub(super) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(reason.into())
    }
}

impl From<wire::Error> for Inconclusive {
    fn from(error: wire::Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// How bad a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Anyone gets in, or can act as someone else.
    Critical,
    /// A safeguard is missing.
    Serious,
    /// Worth knowing; does not fail the examination.
    Warning,
}

impl Severity {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Serious => "serious",
            Self::Warning => "warning",
        }
    }
}
