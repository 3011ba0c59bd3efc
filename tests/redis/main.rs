//! The Redis store against real servers, which the tests start and stop themselves.
//!
//! Without `redis-server` in the path they are not run, and say so; with
//! `TOWER_DIDT_REQUIRE_REDIS=1` in the environment they fail instead. Figures are printed:
//! `cargo test --features axum,testing,redis,redis-tls --test redis -- --nocapture`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]
#![cfg(all(feature = "axum", feature = "redis", feature = "testing"))]

mod behaviour;
mod changes;
mod cluster;
mod copies;
mod faults;
mod http;
#[cfg(feature = "sealed")]
mod ledger;
mod lists;
mod order;
mod resharding;
#[cfg(feature = "sealed")]
mod revoked_tokens;
mod runtimes;
#[cfg(feature = "sealed")]
mod sealed_changes;
mod secrets;
mod sentinel;
#[cfg(feature = "redis-tls")]
mod tls;
mod two_processes;
