//! The command line.

use std::process::ExitCode;

use clap::Parser;
use tower_didt_simulation::{Broken, Report, Scenario, simulate};

/// Simulates a thousand nodes and judges what people see.
#[derive(Debug, Parser)]
#[command(name = "simulation")]
struct Arguments {
    /// How many events happen in each scenario.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// What chance follows from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds are tried, one after the other.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// A fault that no promise survives.
    #[arg(long)]
    broken: Option<Broken>,
    /// The scenarios; all where none is named.
    #[arg(value_name = "SCENARIO", value_parser = clap::builder::PossibleValuesParser::new(Scenario::all().iter().map(|it| it.name)))]
    names: Vec<String>,
}

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mut failed = false;
    for scenario in Scenario::all() {
        if !arguments.names.is_empty() && !arguments.names.iter().any(|it| it == scenario.name) {
            continue;
        }
        println!("{}: {}", scenario.name, scenario.about);
        for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
            let scenario = Scenario { broken: arguments.broken, ..scenario.clone() };
            match simulate(scenario, seed, arguments.steps) {
                Ok(report) => show(seed, &report),
                Err(failure) => {
                    failed = true;
                    println!("{failure}");
                }
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn show(seed: u64, report: &Report) {
    let Report { steps, simulated, counts, faults, bounds, digest } = report;
    println!(
        "  seed {seed}: {steps} steps, {:.1} s simulated, {faults} faults",
        *simulated as f64 / 1e6
    );
    println!(
        "  {} requests: {} passed, {} refused, {} times 503; {} sessions, {} ended alone, {} everywhere",
        counts.requests,
        counts.passed,
        counts.refused,
        counts.unavailable,
        counts.sessions,
        counts.revocations,
        counts.everywhere
    );
    println!(
        "  ended sessions that passed elsewhere: {}, the latest after {:.1} ms of {:.1} ms; \
         writes lost by failover: {}, thrown out by an old master: {}; {digest:016x}",
        counts.late,
        counts.latest as f64 / 1e3,
        bounds.elsewhere as f64 / 1e3,
        counts.undone,
        counts.thrown_out_by_old_master
    );
}
