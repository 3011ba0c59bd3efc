//! `didt inspect`: what is in a token, whether or not any of it is true.

mod text;

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use tower_didt::{Claim, DidToken, Timestamp, TokenError, Verifier};

use crate::arguments::{At, read_token};
use crate::complain;
use crate::verdict::{Fault, write_line};

/// Show what is in a token, UNVERIFIED
///
/// Checks the form, the proof and the times, but not whom the token is for: nothing that this
/// prints is a reason to let anybody in. `didt verify` decides that.
#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct Inspect {
    /// The token; `-` reads it from standard input
    token: OsString,

    /// Print one JSON object, with "verified":false, instead of text
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    at: At,
}

const HELP: &str = "\
Examples:
  didt inspect WyIweD...
  didt inspect --at 1700000060 --json - < token.txt

Exit codes:
  0  the token was decoded; that says nothing about whether it is good
  1  it is malformed, or reading or writing failed
  2  the command line is wrong";

impl Inspect {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let now = self.at.now();
        let token = match DidToken::decode(read_token(self.token)?) {
            Ok(token) => token,
            Err(error) => {
                complain(error);
                return Ok(ExitCode::FAILURE);
            }
        };
        let report =
            Report { claim: token.claim().clone(), now, proof: token.into_signed().map(drop) };
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
    not_checked: [&'a str; 2],
}

impl Report {
    /// What stands against the claim at the time of the report, wherever it is used.
    ///
    /// With the token's own audience as the one that is expected, only its times can fail, and
    /// an empty audience.
    fn statement(&self) -> Result<(), TokenError> {
        Verifier::new(self.claim.aud()).check_statement(&self.claim, self.now)
    }

    fn json(&self) -> Json<'_> {
        let Self { claim, now, proof } = self;
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
            not_checked: ["audience", "attachment"],
        }
    }
}
