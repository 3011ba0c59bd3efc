//! `didt serve`: answers a gateway's question whether a request may pass.
//!
//! ```text
//! server ─► public ─┬─ auth     for browsers and clients: sign in, sign out, list sessions
//!        │          └─ check    for gateways, one endpoint per kind
//!        │               original ─► screen ─► policy ─► session ─► access ─► identity
//!        └► private             on a listener of its own: health, metrics, administration
//! config ─► all of them
//! ```

pub(crate) mod arguments;
pub(crate) mod config;
pub(crate) mod peer;
pub(crate) mod policy;
pub(crate) mod public;
