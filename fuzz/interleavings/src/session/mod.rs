pub(crate) use tower_didt::{SessionHandle, StoreFuture, TokenMark};

pub mod memory;
pub mod redis;
pub mod sealed;
