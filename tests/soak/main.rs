//! A server under mixed traffic while its store fails and comes back, and under a flood of
//! tokens signed by random keys.
//!
//! Some seconds as a test. For longer, with figures and a plot of memory over time:
//!
//! ```text
//! SOAK_SECONDS=300 SOAK_REPORT=target/soak cargo test --release --features axum,testing,redis --test soak -- --nocapture --test-threads=1
//! ```
//!
//! The server is a process of its own, so that its memory and CPU time are its own. What passes
//! and what does not is asserted; figures are only printed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests"
)]
#![cfg(all(feature = "axum", feature = "redis", feature = "testing"))]

mod client;
mod figures;
mod flood;
mod limits;
mod mixed;
mod process;

/// How long to soak: `SOAK_SECONDS`, else this many seconds.
fn seconds(default: u64) -> u64 {
    std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Writes a file of the report, if one is asked for.
fn report(name: &str, text: &str) {
    if let Some(folder) = std::env::var_os("SOAK_REPORT") {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join(name), text).expect("a file");
    }
}
