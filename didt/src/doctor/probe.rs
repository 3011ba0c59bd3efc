//! A probe: one mistake that gateways allow, and how it is looked for.

use std::pin::Pin;

use serde::Serialize;

use super::examination::Examination;
use super::finding::{Outcome, Severity};

/// One mistake: how to find it, why it matters, how to fix it.
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) severity: Severity,
    /// What holds where the mistake was not made.
    pub(super) claim: &'static str,
    pub(super) why: &'static str,
    pub(super) mend: &'static [Mend],
    pub(super) run: for<'a> fn(&'a Examination) -> Running<'a>,
}

pub(super) type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// How a mistake is put right, at one gateway or at all of them.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Mend {
    pub(super) gateway: &'static str,
    pub(super) text: &'static str,
}

/// What came of a probe.
pub(super) struct Finding {
    pub(super) probe: &'static Probe,
    pub(super) outcome: Outcome,
}

/// A remedy at one gateway.
pub(super) const fn at(gateway: &'static str, text: &'static str) -> Mend {
    Mend { gateway, text }
}

/// A remedy everywhere.
pub(super) const fn everywhere(text: &'static str) -> Mend {
    Mend { gateway: "any", text }
}
