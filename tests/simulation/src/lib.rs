//! A thousand nodes in one thread, without sockets and without waiting: what is promised of
//! sessions, under faults that can be replayed.
//!
//! Real are the library's layer, its rules for copies (`session/copies`) and its tokens; simulated
//! are the server, the network, clocks and people. See `docs/development/simulation.md`.
#![cfg(tower_didt_internals)]
#![allow(missing_docs, missing_debug_implementations, reason = "a program of tests")]
#![allow(
    clippy::large_enum_variant,
    reason = "messages of a simulation, each in a place of its own anyway"
)]
#![allow(clippy::wrong_self_convention, reason = "messages go to a place, they are not converted")]

mod broken;
mod call;
mod dice;
mod faults;
mod network;
mod node;
mod people;
mod promises;
mod scenario;
mod server;
mod store;
mod time;
mod trace;
mod world;

pub use self::broken::Broken;
pub use self::promises::{Bounds, Breach, Counts, Promise};
pub use self::scenario::{Faults, Scenario, Wire};
pub use self::world::{Failure, Report, World};

/// Runs a scenario.
///
/// # Errors
///
/// The first promise that is broken.
pub fn simulate(scenario: Scenario, seed: u64, steps: u64) -> Result<Report, Box<Failure>> {
    let mut world = World::new(scenario, seed);
    world.run(steps)?;
    Ok(world.report(steps))
}
