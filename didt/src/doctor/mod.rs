//! `didt doctor`: looks at a running gateway from the client's side.
//!
//! ```text
//! arguments ─► examination ─┬─ probes   one file for each mistake that gateways allow
//!                     │     └─► finding
//!                     └─ wire     bytes to a socket, an answer back
//! report ◄─ findings
//! ```

mod arguments;
mod examination;
mod finding;
mod probe;
mod probes;
mod report;
mod seen;
mod session;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use self::arguments::Doctor;
use self::examination::Examination;
use self::finding::Inconclusive;
use self::probe::{Finding, Probe};
use self::probes::{PROBES, secret_key};
use self::report::Report;
use crate::output::invalid;

/// The most that one probe may take, however many requests it makes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

impl Doctor {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.examine())
    }

    async fn examine(self) -> io::Result<ExitCode> {
        let json = self.json;
        let examinations = match self.examinations() {
            Ok(examinations) => examinations,
            Err(wrong) => return Ok(invalid(wrong)),
        };
        for examination in &examinations {
            if let Err(error) = examination.knock().await {
                return Ok(invalid(format_args!(
                    "nothing answers at {}: {error}",
                    examination.guarded
                )));
            }
        }
        let mut clean = true;
        let mut out = io::stdout().lock();
        let colour = io::stdout().is_terminal()
            && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        for (number, examination) in examinations.iter().enumerate() {
            let mut findings = Vec::with_capacity(PROBES.len());
            let of_key = examination.secret_key.as_ref().map(|_| &secret_key::PROBE);
            for probe in PROBES.iter().chain(of_key) {
                findings.push(look(probe, examination).await);
            }
            let report = Report::new(examination, findings);
            clean &= report.is_clean();
            if json {
                report.write_json(&mut out)?;
            } else {
                let last = number + 1 == examinations.len();
                report.write_text(&mut out, colour, last)?;
            }
            out.flush()?;
        }
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs one probe, which may neither hang nor end the others.
async fn look(probe: &'static Probe, examination: &Examination) -> Finding {
    let limit = PROBE_TIMEOUT + examination.renewal_wait;
    let outcome = tokio::time::timeout(limit, (probe.run)(examination)).await;
    let late = || Inconclusive::unknown(format!("it took longer than {} s", limit.as_secs()));
    Finding { probe, outcome: outcome.unwrap_or_else(|_| Err(late())) }
}
