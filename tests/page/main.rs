//! The sign-in page as its visitors' browsers and its attackers see it: who is sent to it, where it
//! sends people back to, and what it answers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "in tests a panic is the verdict"
)]

mod attacks;
mod pages;
mod redirects;
mod return_addresses;
mod support;
mod who_is_sent;
