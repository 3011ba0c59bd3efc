//! Attacks over the wire: a real server on loopback, raw bytes where libraries would be too
//! polite. Every test is named after what is tried and says where it is known from.
//!
//! ```text
//! cargo test --test attacks
//! ```

#![expect(clippy::expect_used, reason = "a test that panics is a test that fails")]
#![expect(deprecated, reason = "the hook of an earlier version works as it did")]

mod server;

mod cookies;
mod credentials;
mod origins;
mod secrets;
mod sessions;
mod transport;
