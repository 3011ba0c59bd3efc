pub(crate) use tower_didt::{SessionHandle, SessionRecord, StoreFuture, TokenMark, TokenState};

#[path = "../../../../src/session/issuer_lines.rs"]
mod issuer_lines;
#[path = "../../../../src/session/newest_tokens.rs"]
mod newest_tokens;
#[path = "../../../../src/session/used_tokens.rs"]
mod used_tokens;

pub mod memory;
pub mod redis;
pub mod sealed;
