//! What the tests of the library and of the program share.
//!
//! ```text
//! certificate self-signed certificates, and clients that trust them
//! child       processes that end with the test, also with one that is killed
//! directory   temporary folders
//! http        a raw HTTP/1.1 client
//! postgres    PostgreSQL and PgBouncer
//! proxy       a network between a store and its server that can be held up and cut
//! redis       redis-server, alone or as a cluster
//! request_heads      how browsers, scripts and programs ask for a page
//! return_addresses   evil ones
//! sentinel    a master, its replicas, and Redis Sentinels that watch them
//! sessions    sessions and tokens for tests of stores
//! store       a store that fails where a test says so
//! two_processes  one token presented by two processes at the same time
//! word        how long word of a change takes from one machine to another
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

use std::io::Write;

pub mod certificate;
pub mod change;
pub mod child;
pub mod directory;
pub mod http;
pub mod postgres;
pub mod proxy;
pub mod redis;
pub mod request_heads;
pub mod return_addresses;
pub mod sentinel;
pub mod sessions;
pub mod store;
pub mod two_processes;
pub mod word;

/// Says that a test is not run because `what` is not there. Fails it where the environment requires that
/// program: where one of `variables` is `1`, as `tests/run` sets them.
///
/// # Panics
///
/// If it is required.
pub fn missing(test: &str, what: &str, variables: &[&str]) {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| value == "1");
    let required = variables.iter().find(|name| is_set(name));
    assert!(required.is_none(), "{what} is required by {required:?}, and there is none");
    not_run(test, &format!("there is no {what}"));
}

/// Says that a test is not run, past the capture of passing tests, so that it is seen.
pub fn not_run(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {test}: {why}");
}
