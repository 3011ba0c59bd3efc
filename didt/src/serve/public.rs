//! What the public listener serves.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use tower_didt::magic::Magic;
use tower_didt::page::SignInPage;
use tower_didt::{Clock, DidAuth};
use tracing::Instrument;

use super::assertion::{InvalidKey, Signer};
use super::audit::Audit;
use super::check::Checks;
use super::config::Config;
use super::cors::{self, Cors};
use super::peer::{Client, Peer};
use super::rates::{self, Counted, Meter};
use super::{auth, check, trace};

/// The endpoints for browsers and clients, and those for gateways.
///
/// Every request must have its [`Peer`] among its extensions: checks refuse one without.
///
/// # Errors
///
/// [`InvalidKey`] if the assertion key is unusable.
pub(crate) fn router(
    config: &Arc<Config>,
    auth: &DidAuth,
    page: Option<SignInPage>,
    magic: Option<Magic>,
    counted: &Arc<Counted>,
    clock: Arc<dyn Clock>,
) -> Result<Router, InvalidKey> {
    let signer = config
        .assertion
        .as_ref()
        .map(|assertion| Signer::new(assertion, clock.now()))
        .transpose()?
        .map(Arc::new);
    let cors = Cors::new(&config.trusted_origins);
    let meter = Meter::new(config, counted, Arc::clone(&clock));
    let checks = Arc::new(Checks {
        meter: meter.clone(),
        cors: cors.clone(),
        config: Arc::clone(config),
        auth: auth.clone(),
        auth_with_foreign: auth.clone().with_foreign_bearers(),
        signer: signer.clone(),
        clock,
    });
    let renews = config.policy.asks_for_fresh();
    let signs_out = config.magic.as_ref().is_some_and(|settings| settings.sign_out);
    let magic = magic.filter(|_| signs_out);
    let prefix = &config.public.prefix;
    let signer = signer.map(|signer| (signer, Arc::clone(&checks.clock)));
    let leads = auth::Leads::new(auth, prefix, config.sign_in.as_ref());
    let auth = auth::router(auth, prefix, renews, signer, page, (magic, leads));
    let auth = auth.layer(middleware::from_fn_with_state(meter, rates::keep));
    let auth = auth.layer(middleware::from_fn_with_state(cors, cors::share));
    let routes = Router::new().merge(auth).merge(check::router(&checks));
    Ok(routes.layer(middleware::from_fn_with_state(Arc::clone(config), introduce_client)))
}

/// Finds out where a request comes from and which trace it belongs to, and hands over what writes that down.
async fn introduce_client(
    State(config): State<Arc<Config>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let client = peer
        .map_or(Client(None), |peer| Client::new(peer, request.headers(), &config.trusted_proxies));
    request.extensions_mut().insert(client);
    request.extensions_mut().insert(Audit::new(&config.log));
    let span = trace::span(request.headers());
    next.run(request).instrument(span).await
}
