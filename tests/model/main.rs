//! The life of sessions, against a model: random sequences of everything that can happen to
//! them, and real threads.
//!
//! ```text
//! cargo test --test model
//! PROPTEST_CASES=5000 cargo test --release --test model
//! ```
//!
//! A store of another kind takes part with one line in `machine.rs` and one in `races.rs`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

mod faults;
mod machine;
mod races;
mod reference;
mod world;
