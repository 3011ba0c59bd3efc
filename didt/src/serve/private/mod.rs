//! What the private listener serves, and no other: health, metrics, administration.
//!
//! | | |
//! |---|---|
//! | `GET /healthz` | 200 while the process lives |
//! | `GET /readyz` | 200 if the store answers and the server is not about to stop, else 503 |
//! | `GET /metrics` | Prometheus' text format |
//! | `GET /admin/sites` | the names of sites, where there are several, as JSON |
//! | `GET /admin/issuers` | a page of those who have sessions, as JSON |
//! | `GET /admin/sessions?issuer=did:ethr:0x…` | an issuer's sessions, as JSON |
//! | `GET /admin/sessions?email=ada@example.com` | those of people with this address, a part of all at a time |
//! | `GET /admin/changes` | what a reload would change |
//! | `POST /admin/revoke?issuer=did:ethr:0x…` | ends all of them, or with `&session=…` that one |
//!
//! Of several sites, each list is of one: `site=…` says which. Without it, `revoke` is about all of them.
//!
//! Administration asks for `Authorization: Bearer <secret>` and for nothing else: a session or a
//! DID token is worth nothing here. Without a secret in the configuration, there is no
//! administration.

mod admin;
mod bearer;
mod health;

#[cfg(test)]
mod tests;

use axum::Router;
use tower_didt::DidAuth;

use super::audit::Audit;
use super::config::Secret;
use super::measures::Measures;
use super::preview::Preview;
use super::server::Stop;
use super::sites::Sites;

/// The routes of the private listener. `stop` is what the public one hears;
/// `generation` counts the readings of the settings that took effect.
pub(crate) fn router(
    sites: &Sites<DidAuth>,
    measures: Measures,
    stop: Stop,
    generation: u64,
    admin_secret: Option<&Secret>,
    audit: Audit,
    preview: Option<Preview>,
) -> Router {
    let routes = health::routes(sites.clone(), measures, stop, generation);
    match admin_secret {
        Some(secret) => routes.merge(admin::routes(sites, secret, audit, preview)),
        None => routes,
    }
}
