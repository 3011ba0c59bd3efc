pub(crate) use tower_didt::{SessionHandle, SessionRecord, StoreFuture, TokenMark};

pub mod memory;
pub mod redis;
pub mod sealed;
