//! Every promise, in every scenario: with fixed seeds, and with one that nobody chose.
//!
//! `SEED=7 tests/simulation/run` puts 7 in its place.
#![cfg(tower_didt_internals)]
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::time::{SystemTime, UNIX_EPOCH};

use tower_didt_simulation::{Report, Scenario, simulate};

/// Events in each run: some seconds of a thousand nodes.
const STEPS: u64 = 120_000;

/// More where nodes ask rarely, and what is looked at takes long: some three quarters of an hour.
const LONG: u64 = 300_000;

const FIXED: [u64; 2] = [1, 2];

fn of_today() -> u64 {
    let chosen = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    chosen.unwrap_or(since.as_nanos() as u64 % 1_000_000_007)
}

/// Runs a scenario with each seed.
fn hold(name: &str, steps: u64, looks_at: impl Fn(&Report)) {
    let scenario = Scenario::named(name).expect("a scenario");
    for seed in FIXED.into_iter().chain([of_today()]) {
        println!("{name}, seed {seed}");
        match simulate(scenario.clone(), seed, steps) {
            Ok(report) => looks_at(&report),
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn every_promise_holds_while_nothing_fails_and_clocks_are_half_a_minute_off() {
    hold("healthy", STEPS, |report| {
        assert!(report.counts.sessions > 100 && report.counts.everywhere > 10, "{report:?}");
        assert_eq!(report.counts.unavailable, 0);
    });
}

#[test]
fn one_token_at_a_hundred_nodes_at_once_makes_one_session() {
    hold("storms", STEPS, |report| assert!(report.counts.requests > 5_000, "{report:?}"));
}

#[test]
fn every_promise_holds_while_nodes_are_cut_off_and_the_server_stands_still_or_ends() {
    hold("cut_off", STEPS, |report| assert!(report.faults > 100, "{report:?}"));
}

#[test]
fn every_promise_holds_where_reports_have_a_connection_of_their_own() {
    hold("cut_off_apart", STEPS, |report| assert!(report.faults > 20, "{report:?}"));
}

#[test]
fn a_failover_takes_back_what_the_replica_lacks_and_nothing_else() {
    hold("failover", STEPS, |report| assert!(report.faults > 100, "{report:?}"));
}

#[test]
fn tokens_and_sessions_end_in_time_on_clocks_that_are_half_a_minute_off() {
    hold("clocks", LONG, |report| {
        assert!(report.simulated > 2_000_000_000, "tokens live for 900 s: {report:?}");
        assert!(report.counts.refused > 1_000, "{report:?}");
    });
}

#[test]
fn nobody_is_thrown_out_while_nodes_are_replaced_and_read_new_settings() {
    hold("upgrade", LONG, |report| {
        assert!(report.simulated > 2_000_000_000, "sessions live for 900 s: {report:?}");
        assert!(report.faults > 100, "{report:?}");
    });
}
