//! Requirements for every token and every header, tried with generated ones.
//!
//! ```text
//! cargo test --test properties
//! PROPTEST_CASES=20000 cargo test --release --test properties
//! ```

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics is a test that fails"
)]

mod support;

mod caches;
mod claims;
mod encodings;
mod garbage;
mod headers;
mod times;
mod verdicts;
