//! A promise that is not kept is noticed: faults that are built into the simulated server and
//! network, each with the promise that it breaks.
#![cfg(tower_didt_internals)]
#![allow(clippy::expect_used, clippy::panic, reason = "tests")]

use tower_didt_simulation::{Broken, Promise, Scenario, simulate};

/// How many seeds are tried until a fault has to be found, and for how many events each.
const SEEDS: u64 = 4;
const STEPS: u64 = 300_000;

fn scenario(name: &str) -> Scenario {
    Scenario::named(name).expect("a scenario")
}

/// A fault breaks one of these promises, and no other.
fn is_caught(scenario: &Scenario, promises: &[Promise]) {
    for seed in 1..=SEEDS {
        let Err(failure) = simulate(scenario.clone(), seed, STEPS) else { continue };
        assert!(promises.contains(&failure.breach.promise), "{failure}");
        assert!(!failure.trace.is_empty(), "{failure}");
        return;
    }
    panic!("{:?} was not noticed", scenario.broken);
}

#[test]
fn a_store_that_marks_tokens_in_two_steps_is_caught() {
    let scenario = scenario("storms").broken(Broken::MarksInTwoSteps);
    is_caught(&scenario, &[Promise::OneSessionPerToken]);
}

#[test]
fn a_store_that_forgets_marks_when_a_token_expires_by_one_clock_is_caught() {
    let scenario = scenario("clocks").broken(Broken::MarksWithoutMargin);
    is_caught(&scenario, &[Promise::OneSessionPerToken]);
}

/// The bound on clocks is one that counts: they may differ by five minutes.
#[test]
fn clocks_that_differ_by_more_than_the_margin_are_caught() {
    let skew = 200 * 1_000_000;
    is_caught(&Scenario { skew, ..scenario("clocks") }, &[Promise::OneSessionPerToken]);
}

#[test]
fn a_sign_out_everywhere_that_spares_tokens_is_caught() {
    let scenario = scenario("healthy").broken(Broken::EverywhereSparesTokens);
    is_caught(&scenario, &[Promise::RevokedTokensAtOnce]);
}

#[test]
fn reports_that_are_lost_while_their_connection_lives_are_caught() {
    for name in ["healthy", "cut_off", "cut_off_apart"] {
        let scenario = scenario(name).broken(Broken::ReportsLost);
        is_caught(&scenario, &[Promise::RevokedElsewhereInTime]);
    }
}

#[test]
fn answers_that_overtake_reports_are_caught() {
    for name in ["cut_off", "cut_off_apart"] {
        let scenario = scenario(name).broken(Broken::AnswersOvertakeReports);
        is_caught(&scenario, &[Promise::RevokedElsewhereInTime]);
    }
}

#[test]
fn a_master_that_was_replaced_and_says_otherwise_is_caught() {
    let scenario = scenario("failover").broken(Broken::ReplicaSaysMaster);
    let promises =
        [Promise::RevokedElsewhereInTime, Promise::RevokedHereAtOnce, Promise::StaysSignedIn];
    is_caught(&scenario, &promises);
}

#[test]
fn a_store_that_takes_a_lost_connection_for_no_session_is_caught() {
    let scenario = scenario("cut_off").broken(Broken::LostMeansNone);
    is_caught(&scenario, &[Promise::StaysSignedIn]);
}

#[test]
fn a_store_that_mixes_sessions_up_is_caught() {
    is_caught(&scenario("healthy").broken(Broken::MixesSessionsUp), &[Promise::OwnIssuer]);
}

#[test]
fn a_revocation_that_is_answered_before_it_is_made_is_caught() {
    let scenario = scenario("cut_off").broken(Broken::RevokesLater);
    let promises =
        [Promise::RevokedElsewhereInTime, Promise::RevokedHereAtOnce, Promise::RevokedTokensAtOnce];
    is_caught(&scenario, &promises);
}

#[test]
fn copies_that_outlive_their_connection_are_caught() {
    let scenario = scenario("cut_off").broken(Broken::SilentReconnect);
    is_caught(&scenario, &[Promise::RevokedElsewhereInTime]);
}

#[test]
fn the_same_seed_makes_the_same_run() {
    let run =
        |seed| simulate(scenario("failover"), seed, 60_000).expect("no broken promise").digest;
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
