//! `didt doctor` against gateways with one mistake each, and against right ones.
//!
//! The gateways are the tests' own: small proxies that handle raw bytes, since most of the
//! mistakes cannot be made with a proper HTTP library. They sign in with the real layer; behind
//! them is the real `didt echo`.
#![cfg(feature = "serve")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in tests a panic is the verdict"
)]

mod behaviour;
mod echo;
mod fault;
mod faults;
mod gateway;
mod process;
mod raw;
mod right;
