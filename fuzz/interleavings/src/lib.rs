//! The parts of the crate that threads share, under every order in which threads can get to
//! them: the crate's own files, with loom's locks and atomics in the place of the standard
//! library's (`src/sync.rs` there, [`sync`] here). See `tests/`.
//!
//! What moka does inside is not tried out: for its cache of what is in Redis a value behind a
//! lock stands in, which does one thing at a time, as moka promises for one key.

#![allow(dead_code, unreachable_pub, missing_docs, missing_debug_implementations)]
#![allow(clippy::expect_used, clippy::missing_panics_doc)]

pub(crate) use tower_didt::{
    Address, ClaimDigest, DEFAULT_LEEWAY, Issuer, SessionHandle, Timestamp, TokenMark,
};

pub(crate) mod sync {
    pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
    pub(crate) use loom::sync::{Mutex, RwLock};
}

pub mod middleware;
pub mod session;
mod support;
