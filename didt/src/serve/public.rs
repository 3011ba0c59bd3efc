//! What the public listener serves.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::any;
use http::header::HOST;
use tower::ServiceExt;
use tower_didt::magic::Magic;
use tower_didt::page::SignInPage;
use tower_didt::{Clock, DidAuth};
use tracing::Instrument;

use super::assertion::{InvalidKey, Signer};
use super::audit::Audit;
use super::auth::Keys;
use super::check::{Checks, Guarded};
use super::config::Config;
use super::cors::{self, Cors};
use super::peer::{Client, Peer};
use super::rates::{self, Counted, Meter};
use super::sites::{SiteName, Sites};
use super::{auth, check, trace};

/// One site: whose sessions it has, and what it shows.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) config: Arc<Config>,
    pub(crate) auth: DidAuth,
    pub(crate) page: Option<SignInPage>,
    /// Whom to tell where somebody signs out.
    pub(crate) magic: Option<Magic>,
}

/// The endpoints for browsers and clients, and those for gateways.
///
/// Every request must have its [`Peer`] among its extensions: checks refuse one without.
///
/// # Errors
///
/// [`InvalidKey`] if the assertion key is unusable.
pub(crate) fn router(
    sites: Sites<Site>,
    counted: &Arc<Counted>,
    clock: Arc<dyn Clock>,
) -> Result<Router, InvalidKey> {
    let config = Arc::clone(&sites.first().config);
    let meter = Meter::new(&config, counted, Arc::clone(&clock));
    let built = sites.try_map(|_, site| {
        let assertion = site.config.assertion.as_ref();
        let signer = assertion.map(|assertion| Signer::new(assertion, clock.now())).transpose()?;
        let signer = signer.map(Arc::new);
        let cors = Cors::new(&site.config.trusted_origins);
        let guarded = Guarded {
            name: site.config.site.clone(),
            clock: Arc::clone(&clock),
            cors: cors.clone(),
            auth: site.auth.clone(),
            auth_with_foreign: site.auth.clone().with_foreign_bearers(),
            signer: signer.clone(),
            config: Arc::clone(&site.config),
        };
        let keys = signer.map(|signer| (signer, Arc::clone(&clock)));
        let own = own_endpoints(site, keys);
        let own = own.layer(middleware::from_fn_with_state(meter.clone(), rates::keep));
        Ok((guarded, own.layer(middleware::from_fn_with_state(cors, cors::share))))
    })?;
    let endpoints = if built.are_several() {
        // The keys are the same for all, and upstreams ask for them by whatever name.
        let signer = built.iter().find_map(|(_, (guarded, _))| guarded.signer.clone());
        let keys = auth::keys(&config.public.prefix, signer.map(|signer| (signer, clock)));
        let routers = built.map(|site, (_, own)| (site.cloned(), own.clone()));
        keys.fallback_service(any(by_host).with_state(Arc::new(routers)))
    } else {
        built.first().1.clone()
    };
    let sites = built.map(|_, (guarded, _)| guarded.clone());
    let checks = Arc::new(Checks { config: Arc::clone(&config), sites, meter });
    let routes = Router::new().merge(endpoints).merge(check::router(&checks));
    Ok(routes.layer(middleware::from_fn_with_state(config, introduce_client)))
}

/// A site's own endpoints.
fn own_endpoints(site: Site, keys: Option<Keys>) -> Router {
    let Site { config, auth, page, magic } = site;
    let renews = config.policy.asks_for_fresh();
    let signs_out = config.magic.as_ref().is_some_and(|settings| settings.sign_out);
    let magic = magic.filter(|_| signs_out);
    let prefix = &config.public.prefix;
    let leads = auth::Leads::new(&auth, prefix, config.sign_in.as_ref());
    auth::router(&auth, prefix, renews, keys, page, (magic, leads))
}

/// Leads a request to the endpoints of the site whose host it is for.
async fn by_host(
    State(sites): State<Arc<Sites<(Option<SiteName>, Router)>>>,
    mut request: Request,
) -> Response {
    let found = host(&request).and_then(|host| sites.of_host(host).ok().flatten());
    let Some((site, router)) = found.cloned() else { return auth::misdirected(request).await };
    let span = trace::site(site.as_ref());
    if let Some(site) = site {
        request.extensions_mut().insert(site);
    }
    let Ok(response) = router.oneshot(request).instrument(span).await;
    response
}

/// The host that a request names, in its target or in its only `Host`. Two of them name none, even where
/// they are the same (RFC 9112 section 3.2).
fn host(request: &Request) -> Option<&[u8]> {
    let mut fields = request.headers().get_all(HOST).iter().map(http::HeaderValue::as_bytes);
    let (field, more) = (fields.next(), fields.next());
    let authority = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    match (authority, field, more) {
        (_, _, Some(_)) => None,
        (Some(one), Some(other), None) => one.eq_ignore_ascii_case(other).then_some(one),
        (one, other, None) => one.or(other),
    }
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
