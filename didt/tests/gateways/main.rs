//! Real gateways in front of `didt serve`, with the files of `examples/gateways`.
//!
//! Each test takes those files as they are but for ports and paths, and starts an upstream
//! (`didt echo`), `didt serve` and the gateway. Where the gateway's program is missing the test is
//! not run, and says so; with `TOWER_DIDT_REQUIRE_GATEWAYS=1` in the environment it fails instead.
//! Envoy is looked for in `DIDT_TEST_ENVOY`, Traefik in `DIDT_TEST_TRAEFIK`, then both in the path.
#![cfg(feature = "serve")]
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod behaviour;
mod caddy;
mod envoy;
mod haproxy;
mod http2;
mod nginx;
mod sites;
mod support;
mod traefik;
