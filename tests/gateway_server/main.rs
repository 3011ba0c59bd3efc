//! `didt serve` as operators see it: the program itself, started and stopped by the tests, on free
//! ports. What it answers to gateways is tested elsewhere.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]
#![cfg(feature = "gateway")]

mod administration;
mod assertions;
mod audit;
mod didt;
mod http;
mod logs;
mod refusals;
#[path = "../redis/server.rs"]
#[allow(dead_code, reason = "of the tests of the Redis store")]
mod server;
mod signals;
mod stores;
mod systemd;
mod tls;
