//! The layer seen from outside: requests in, responses out, time standing still.

#![expect(clippy::expect_used, reason = "a test that panics is a test that fails")]
#![expect(deprecated, reason = "the hook of an earlier version works as it did")]

mod support;

mod administration;
mod axum_extractors;
mod bound_login;
mod cross_origin;
mod data;
mod faults;
mod guards;
mod hook;
mod hooks_apart;
mod log_line;
mod measures;
mod no_store;
mod one_shape;
mod outside;
mod proofs;
mod rejections;
mod remember_me;
mod revoked_tokens;
mod sealed;
mod secrets;
mod session_only;
mod sessions;
mod several_cookies;
mod signed_in;
mod tower_contract;
mod turns;
mod two_lifetimes;
mod without_sign_in;
