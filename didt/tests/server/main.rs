//! `didt serve` as operators see it: the program itself, started and stopped by the tests, on free
//! ports. What it answers to gateways is tested elsewhere.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]
#![cfg(feature = "serve")]

mod administration;
mod assertions;
mod audit;
mod didt;
mod healthcheck;
mod http;
mod logs;
mod networks;
mod people;
mod rates;
mod refusals;
mod reload;
mod return_addresses;
mod signals;
mod sites;
mod stores;
mod systemd;
mod tls;
mod watching;
