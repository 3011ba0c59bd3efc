//! Who is behind an issuer: the client of Magic's Admin API and its cache, through the public API.
//!
//! ```text
//! calls     what is sent, what the answers mean, retries and limits
//! cache     how few calls there are, what is said while Magic fails
//! guards    who may, by the profile
//! sessions  sign-ins that look people up, what handlers get
//! stores    profiles in every store
//! measures  what operators count
//! sdks      Magic's own SDKs against the same stub
//! network   TLS with a private CA, a proxy in between, the stub as a server
//! ```
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests fail by panicking"
)]

mod cache;
mod calls;
mod guards;
mod measures;
mod network;
mod sdks;
mod sessions;
mod stores;
mod support;
