//! The findings, as a list for people and as JSON for programs.

use std::io::{self, Write};

use serde::Serialize;

use super::examination::Examination;
use super::finding::{Found, Inconclusive, Severity};
use super::probe::{Finding, Mend};

/// What no examination covers.
const NEVER_LOOKED_AT: [&str; 3] = [
    "paths and hosts other than the given ones: each location has its own rules",
    "HTTP/2 and HTTP/3: every request here is HTTP/1",
    "ways to the application that bypass the gateway",
];

/// What is shown to people of one probe.
const MAX_FOUND: usize = 8;

/// What came of an examination.
#[derive(Serialize)]
pub(super) struct Report {
    url: String,
    public: Option<String>,
    probes: Vec<Line>,
    summary: Summary,
    not_looked_at: Vec<&'static str>,
}

/// What came of one probe.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    severity: &'static str,
    outcome: Word,
    claim: &'static str,
    found: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mend: &'static [Mend],
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Passed,
    Failed,
    Warning,
    Skipped,
    Unknown,
}

#[derive(Default, Serialize)]
struct Summary {
    passed: usize,
    failed: usize,
    warnings: usize,
    skipped: usize,
    unknown: usize,
}

impl Report {
    pub(super) fn new(examination: &Examination, findings: Vec<Finding>) -> Self {
        let probes: Vec<_> =
            findings.into_iter().map(|finding| Line::new(examination, finding)).collect();
        let mut summary = Summary::default();
        for line in &probes {
            *match line.outcome {
                Word::Passed => &mut summary.passed,
                Word::Failed => &mut summary.failed,
                Word::Warning => &mut summary.warnings,
                Word::Skipped => &mut summary.skipped,
                Word::Unknown => &mut summary.unknown,
            } += 1;
        }
        let public = examination.public().ok();
        let mut not_looked_at = NEVER_LOOKED_AT.to_vec();
        if public.is_none() {
            not_looked_at.push("public routes: give some with --public");
        }
        if examination.renewal_wait.is_zero() {
            not_looked_at.push("answers that renew a sealed session: --renewal-wait 90");
        }
        Self {
            url: examination.guarded.to_string(),
            public: public.map(ToString::to_string),
            probes,
            summary,
            not_looked_at,
        }
    }

    /// An inconclusive probe does not count as passed.
    pub(super) const fn is_clean(&self) -> bool {
        self.summary.failed == 0 && self.summary.unknown == 0
    }

    pub(super) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }

    pub(super) fn write_text(
        &self,
        out: &mut impl Write,
        colour: bool,
        last: bool,
    ) -> io::Result<()> {
        match &self.public {
            Some(public) => writeln!(out, "{}, public: {public}\n", self.url)?,
            None => writeln!(out, "{}\n", self.url)?,
        }
        for line in &self.probes {
            line.write(out, colour)?;
        }
        let Summary { passed, failed, warnings, skipped, unknown } = self.summary;
        writeln!(
            out,
            "\n{passed} passed, {failed} failed, {warnings} warnings, {skipped} skipped, \
             {unknown} inconclusive"
        )?;
        if !last {
            return writeln!(out);
        }
        writeln!(out, "\nNot looked at:")?;
        self.not_looked_at.iter().try_for_each(|what| writeln!(out, "  {what}"))
    }
}

impl Line {
    fn new(examination: &Examination, Finding { probe, outcome }: Finding) -> Self {
        let (outcome, found) = match outcome {
            Ok(Found::Passed(detail)) => (Word::Passed, vec![detail]),
            Ok(Found::Failed(wrong)) if probe.severity == Severity::Warning => {
                (Word::Warning, wrong)
            }
            Ok(Found::Failed(wrong)) => (Word::Failed, wrong),
            Err(Inconclusive::Skipped(reason)) => (Word::Skipped, vec![reason]),
            Err(Inconclusive::Unknown(reason)) => (Word::Unknown, vec![reason]),
        };
        let wrong = matches!(outcome, Word::Failed | Word::Warning);
        Self {
            name: probe.name,
            severity: probe.severity.name(),
            outcome,
            claim: probe.claim,
            found: found.iter().map(|text| examination.redacted(text)).collect(),
            why: wrong.then_some(probe.why),
            mend: if wrong { probe.mend } else { &[] },
        }
    }

    fn write(&self, out: &mut impl Write, colour: bool) -> io::Result<()> {
        let (sign, sgr) = match self.outcome {
            Word::Passed => ("✓", "32"),
            Word::Failed => ("✗", "31"),
            Word::Warning => ("!", "33"),
            Word::Skipped => ("–", "2"),
            Word::Unknown => ("?", "35"),
        };
        if colour {
            write!(out, "\x1b[{sgr}m{sign}\x1b[0m {:<24}", self.name)?;
        } else {
            write!(out, "{sign} {:<24}", self.name)?;
        }
        match self.outcome {
            Word::Passed => writeln!(out, "{}", self.found.join("; ")),
            Word::Skipped => writeln!(out, "skipped: {}", self.found.join("; ")),
            Word::Unknown => writeln!(out, "could not tell: {}", self.found.join("; ")),
            Word::Failed | Word::Warning => {
                writeln!(out, "{}: not so: {}", self.severity, self.claim)?;
                for found in self.found.iter().take(MAX_FOUND) {
                    writeln!(out, "    found  {found}")?;
                }
                if let Some(more @ 1..) = self.found.len().checked_sub(MAX_FOUND) {
                    writeln!(out, "    found  and {more} more: --json has them all")?;
                }
                writeln!(out, "    why    {}", self.why.unwrap_or_default())?;
                for Mend { gateway, text } in self.mend {
                    writeln!(out, "    mend   {gateway}: {text}")?;
                }
                Ok(())
            }
        }
    }
}
