//! What the tests of the library and of the program share.
//!
//! ```text
//! child       processes that end with the test, also with one that is killed
//! directory   temporary folders
//! redis       redis-server, alone or as a cluster
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

pub mod child;
pub mod directory;
pub mod redis;
