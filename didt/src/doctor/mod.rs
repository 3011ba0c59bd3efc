//! `didt doctor`: looks at a running gateway from the client's side.
//!
//! ```text
//! arguments ─► bench ─┬─ probes   one file for each mistake that gateways allow
//!                     │     └─► finding
//!                     └─ wire     bytes to a socket, an answer back
//! report ◄─ findings
//! ```

mod arguments;
mod bench;
mod finding;
mod probes;
mod report;
mod seen;
mod session;
mod wire;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use self::arguments::Doctor;
use self::bench::Bench;
use self::finding::{Finding, Stop};
use self::probes::{PROBES, Probe};
use self::report::Report;
use crate::complain;

/// The most that one probe may take, however many requests it makes.
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);

const WRONG: u8 = 2;

impl Doctor {
    pub(crate) fn run(self) -> io::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.examine())
    }

    async fn examine(self) -> io::Result<ExitCode> {
        let json = self.json;
        let bench = match self.bench() {
            Ok(bench) => bench,
            Err(wrong) => {
                complain(wrong);
                return Ok(ExitCode::from(WRONG));
            }
        };
        if let Err(error) = bench.knock().await {
            complain(format_args!("nothing answers at {}: {error}", bench.guarded));
            return Ok(ExitCode::from(WRONG));
        }
        let mut findings = Vec::with_capacity(PROBES.len());
        for probe in PROBES {
            findings.push(look(probe, &bench).await);
        }
        let report = Report::new(&bench, findings);
        let mut out = io::stdout().lock();
        if json {
            report.write_json(&mut out)?;
        } else {
            let colour = io::stdout().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            report.write_text(&mut out, colour)?;
        }
        out.flush()?;
        Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs one probe, which may neither hang nor end the others.
async fn look(probe: &'static Probe, bench: &Bench) -> Finding {
    let outcome = tokio::time::timeout(PROBE_TIMEOUT, (probe.run)(bench)).await;
    let late = || Stop::unknown(format!("it took longer than {} s", PROBE_TIMEOUT.as_secs()));
    Finding { probe, outcome: outcome.unwrap_or_else(|_| Err(late())) }
}
