//! The locks and atomics that threads share: those of the standard library.
//!
//! With `--cfg tower_didt_loom` they are loom's, which tries every order in which threads can get to
//! them. See `interleavings.rs`.

#![allow(unused_imports, reason = "which of them are needed depends on features")]

#[cfg(all(test, tower_didt_loom))]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(all(test, tower_didt_loom))]
pub(crate) use loom::sync::{Mutex, RwLock};
#[cfg(not(all(test, tower_didt_loom)))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex as StandardMutex, MutexGuard, PoisonError};
#[cfg(not(all(test, tower_didt_loom)))]
pub(crate) use std::sync::{Mutex, RwLock};

/// Locks what holds together at every moment, so that a panic under this lock did no harm to it. For locks that
/// no model has: always the standard library's.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) fn locked<T>(lock: &StandardMutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
