//! The locks and atomics of what threads share: the standard library's.
//!
//! The files that take theirs from here are compiled into `fuzz/interleavings` too, with
//! loom's in their place, which tries every order in which threads can get to them.

#![allow(unused_imports, reason = "which of them are needed depends on features")]

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Mutex, RwLock};
