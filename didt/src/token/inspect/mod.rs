//! `didt inspect`: what is in a token, whether or not any of it is true.

mod hints;
mod text;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde::Serialize;
use tower_didt::token::{Claim, DidToken};
use tower_didt::{Audiences, Timestamp, TokenError, Verifier};

use super::verdict::Fault;
use crate::arguments::{At, read_token};
use crate::output::say;
use crate::output::write_line;

/// Show what is in a token, UNVERIFIED
///
/// Checks the form, the proof and the times; with --audience also the audience, and says
/// what `didt verify` would. Points out common mistakes. Never let anyone in because
/// of what this prints: `didt verify` decides that.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Inspect {
    /// The token; `-` reads it from standard input
    token: OsString,

    /// Print one JSON object, with "verified":false, instead of text
    #[arg(long)]
    json: bool,

    /// Show what `didt verify` would say for this client id; can be repeated
    #[arg(long = "audience", value_name = "AUD", value_parser = NonEmptyStringValueParser::new())]
    audiences: Vec<String>,

    #[command(flatten)]
    at: At,
}

const HELP: &str = "\
Examples:
  didt inspect WyIweD...
  didt inspect --audience did:magic:my-app WyIweD...
  didt inspect --at 1700000060 --json - < token.txt

Exit codes:
  0  the token was decoded, which does not mean that it is valid
  1  it is malformed, or reading or writing failed
  2  the command line is wrong";

impl Inspect {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let now = self.at.now();
        let text = read_token(self.token)?;
        let token = match DidToken::decode(&text) {
            Ok(token) => token,
            Err(error) => {
                say(error);
                hints::on_text(&text).iter().for_each(|hint| say(format_args!("hint: {hint}")));
                return Ok(ExitCode::FAILURE);
            }
        };
        let audiences: Audiences = self.audiences.iter().map(String::as_str).collect();
        let verify = (!self.audiences.is_empty())
            .then(|| Verifier::new(audiences).verify(&text, now).map(drop));
        let report = Report {
            claim: token.claim().clone(),
            now,
            proof: token.into_signed().map(drop),
            audiences: self.audiences,
            verify,
        };
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            write_line(&mut out, &report.json())?;
        } else {
            text::write(&mut out, &report)?;
        }
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}

struct Report {
    claim: Claim,
    now: Timestamp,
    /// Whether the proof is the issuer's signature.
    proof: Result<(), TokenError>,
    /// The client ids that were asked for, if any.
    audiences: Vec<String>,
    /// What `didt verify` says for them.
    verify: Option<Result<(), TokenError>>,
}

#[derive(Serialize)]
struct Json<'a> {
    verified: bool,
    issuer: String,
    address: String,
    aud: &'a str,
    iat: Timestamp,
    ext: Timestamp,
    nbf: Timestamp,
    tid: &'a str,
    untrusted_sub: &'a str,
    has_add: bool,
    proof_matches_issuer: bool,
    proof_fault: Option<Fault>,
    at: Timestamp,
    statement_fault: Option<Fault>,
    not_checked: &'a [&'a str],
    /// Only with `--audience`.
    #[serde(skip_serializing_if = "Option::is_none")]
    verify: Option<Outcome>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<&'a str>,
}

/// What `didt verify` would say. This is not a verdict: `verify` returns one.
#[derive(Serialize)]
struct Outcome {
    would: &'static str,
    fault: Option<Fault>,
}

impl Report {
    /// What is wrong with the claim at the time of the report, wherever it is used.
    ///
    /// With the token's own audience as the one that is expected, only its times can fail, and
    /// an empty audience.
    fn statement(&self) -> Result<(), TokenError> {
        Verifier::new(self.claim.aud()).check_statement(&self.claim, self.now)
    }

    /// Everything that is wrong with the token, each once.
    fn hints(&self) -> Vec<&'static str> {
        let statement = self.statement();
        let mut faults: Vec<&TokenError> = Vec::new();
        let verify = self.verify.as_ref().and_then(|outcome| outcome.as_ref().err());
        for fault in [self.proof.as_ref().err(), statement.as_ref().err(), verify] {
            faults.extend(fault.filter(|fault| !faults.contains(fault)));
        }
        hints::on_token(&self.claim, self.now, &faults, &self.audiences)
    }

    fn not_checked(&self) -> &'static [&'static str] {
        if self.verify.is_some() { &["attachment"] } else { &["audience", "attachment"] }
    }

    fn json(&self) -> Json<'_> {
        let Self { claim, now, proof, verify, .. } = self;
        Json {
            verified: false,
            issuer: claim.iss().to_string(),
            address: claim.iss().address().to_string(),
            aud: claim.aud(),
            iat: claim.iat(),
            ext: claim.ext(),
            nbf: claim.nbf(),
            tid: claim.tid(),
            untrusted_sub: claim.untrusted_sub(),
            has_add: claim.add().is_some(),
            proof_matches_issuer: proof.is_ok(),
            proof_fault: proof.as_ref().err().map(Fault::from),
            at: *now,
            statement_fault: self.statement().as_ref().err().map(Fault::from),
            not_checked: self.not_checked(),
            verify: verify.as_ref().map(|outcome| Outcome {
                would: if outcome.is_ok() { "accept" } else { "reject" },
                fault: outcome.as_ref().err().map(Fault::from),
            }),
            hints: self.hints(),
        }
    }
}
