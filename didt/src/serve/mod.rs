//! `didt serve`: answers a gateway's question whether a request may pass.
//!
//! ```text
//! run ─► server ─► public ─┬─ auth     for browsers and clients: sign in, sign out, list sessions
//!          │               └─ check    for gateways, one endpoint per kind
//!          │                    original ─► screen ─► policy ─► session ─► access ─► identity
//!          └───► private           on a listener of its own: health, metrics, administration
//! config ─► all of them           commands ─► run, config, policy
//! ```

pub(crate) mod assertion;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod check;
pub(crate) mod commands;
pub(crate) mod config;
mod cors;
mod denial_reason;
mod did_auth;
mod did_token;
mod log;
mod measures;
pub(crate) mod page;
mod peer;
mod people;
pub(crate) mod policy;
mod preview;
mod private;
pub(crate) mod public;
mod rates;
pub(crate) mod run;
mod server;
pub(crate) mod sites;
mod systemd;
#[cfg(test)]
mod test_support;
mod trace;
