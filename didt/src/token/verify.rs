//! `didt verify`: accept or reject one token.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::batch;
use super::rules::Rules;
use super::verdict::Verdict;
use crate::arguments;
use crate::output::write_line;

/// Accept or reject a token, as one JSON object on standard output
///
/// Checks everything: the form, the proof, the audience, the times and, if asked to, the
/// attachment.
#[derive(Args)]
#[command(override_usage = USAGE, after_help = HELP)]
pub(crate) struct Verify {
    /// The token; `-` reads it from standard input
    #[arg(required_unless_present = "batch", conflicts_with = "batch")]
    token: Option<OsString>,

    /// Verify many tokens: one JSON object per line on standard input, one verdict per
    /// line on standard output
    #[arg(long)]
    batch: bool,

    #[command(flatten)]
    rules: Rules,
}

const USAGE: &str = "\
didt verify [OPTIONS] --audience <AUD> <TOKEN>
       didt verify [OPTIONS] --batch < LINES";

const HELP: &str = r#"Output:
  {"verdict":"accept","issuer":"did:ethr:0x…","address":"0x…","expires_at":1700000900}
  {"verdict":"reject","error":"expired","code":"ERROR_DIDT_EXPIRED","message":"…"}
  error is one of malformed, failed_recovery, incorrect_signer, expired, too_old,
  not_yet_valid, audience_mismatch; code is what Magic's own SDKs call it.

Batch:
  A line is {"name":…,"token":"…","now":…,"audience":…,"attachment":…}. Only token is required.
  name is any JSON value and comes back first in the verdict; audience is a string or an array
  of strings; what is absent or null is taken from the command line. Other keys are ignored,
  blank lines are skipped. A line that is not such an object, has a duplicate key, or is longer than
  64 MiB gets {"name":…,"verdict":"reject","error":"input","code":"ERROR_INPUT","message":"…"},
  and the next line goes on as usual.

Examples:
  didt verify --audience did:magic:my-app WyIweD...
  didt verify --audience did:magic:my-app --at 1700000060 - < token.txt
  didt verify --batch --audience did:magic:my-app < tokens.jsonl

Exit codes:
  0  accepted; with --batch: all of the input was processed, whatever the verdicts
  1  rejected, or reading or writing failed; with --batch: only the latter
  2  the command line is wrong"#;

impl Verify {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        // Without `--batch` clap has made sure that there is a token.
        let Some(token) = self.token else {
            return batch::run(&self.rules);
        };
        let token = arguments::read_token(token)?;
        let verifier =
            self.rules.verifier(self.rules.audiences(), self.rules.attachment.as_deref());
        let verdict = Verdict::from(verifier.verify(token, self.rules.at.now()));

        let mut out = io::stdout().lock();
        write_line(&mut out, &verdict)?;
        out.flush()?;
        Ok(if verdict.is_accept() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
